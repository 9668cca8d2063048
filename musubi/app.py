"""The list of commands."""

from __future__ import annotations

import typer

from musubi.commands import asyncapi, audit, backup, demo, dlq, link, stack, topics

app = typer.Typer(
    name="musubi",
    help="Run and look after Musubi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.clean)
app.command()(stack.status)
app.command()(stack.logs)
app.command(context_settings=demo.PASS_ON)(demo.demo)
app.command()(topics.topics)
app.command()(asyncapi.asyncapi)
app.command()(audit.audit)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(dlq.app, name="dlq")
app.add_typer(link.app, name="link")
