"""`musubi link click | source`: links to hand out, made by binding."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from deploy.local.errors import StackError
from deploy.local.progress import people_console
from musubi.apis import ApiOption, KeyOption, apis

SERVICE = "binding"

app = typer.Typer(help="Make tracked links and those of add-friend sources.", no_args_is_help=True)

ChannelOption = Annotated[str, typer.Option("--channel", help="The account's slug.")]


@app.command("click")
def click_link(
    url: Annotated[str, typer.Argument(help="Where the link leads.")],
    channel: ChannelOption,
    link: Annotated[str | None, typer.Option("--link", help="A name that groups the clicks.")] = None,
    member: Annotated[str | None, typer.Option("--member", help="Makes it one member's own: mbr_….")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="RFC 3339 with offset.")] = None,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Make a tracked link and print its address."""
    asked = {"channel": channel, "url": url, "link": link, "member": member, "expires_at": _moment(expires)}
    _make("clicks", {name: value for name, value in asked.items() if value is not None}, api, key)


@app.command("source")
def source_link(
    source: Annotated[str, typer.Argument(help="The place where people find the account, such as window.")],
    channel: ChannelOption,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Print the address of an add-friend source, for a QR code or a button."""
    _make("sources", {"channel": channel, "source": source}, api, key)


def _make(kind: str, body: dict[str, Any], api: str | None, key: str | None) -> None:
    made = apis(SERVICE, api, key)[0].call("POST", f"/v1/links/{kind}", body=body)
    people_console().out(made["url"])


def _moment(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise StackError(f"{text!r} is no moment with an offset, such as 2026-12-31T23:59:00+08:00")
    return moment.isoformat()
