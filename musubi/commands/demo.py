"""`musubi demo`: the story on the running stack."""

from __future__ import annotations

import typer

from deploy.local.story import play
from musubi.commands.stack import chosen_home

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Options are the story's own: they are handed on as they are."""


def demo(context: typer.Context) -> None:
    """Play the story on the running stack and print its report."""
    raise typer.Exit(play(chosen_home(), *context.args))
