"""`musubi audit`: what staff have changed, as each service has written it down."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.progress import people_console
from musubi.apis import Api, ApiOption, KeyOption, apis
from musubi.moments import asked_moment

PAGE = 200


def audit(
    service: Annotated[str | None, typer.Option("--service", help="One service; all otherwise.")] = None,
    who: Annotated[str | None, typer.Option("--who", help="Only by this key's id.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this, such as dead_letters.drop.")] = None,
    about: Annotated[str | None, typer.Option("--object", help="Only changes of this object.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="At or after: RFC 3339, or a date (UTC).")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before: RFC 3339, or a date (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of each service at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """List changes by staff, newest first."""
    times = {"since": asked_moment(since), "until": asked_moment(until)}
    asked = {"who": who, "action": action, "object": about} | times
    wanted = {name: value for name, value in asked.items() if value is not None}
    entries: list[dict[str, Any]] = []
    for served in apis(service, api, key):
        entries += [{"service": served.service, **entry} for entry in _entries(served, wanted, limit)]
    entries.sort(key=lambda entry: (entry["at"], entry["id"]), reverse=True)
    if as_json:
        typer.echo(json.dumps(entries, ensure_ascii=False, indent=2))
    elif entries:
        people_console().print(_table(entries))
    else:
        people_console().out("nothing was changed")


def _entries(api: Api, wanted: dict[str, str], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while len(found) < limit:
        size = {"limit": str(min(PAGE, limit - len(found)))}
        page = api.call("GET", "/v1/audit", query={**wanted, **cursor, **size})
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    return found


def _table(entries: list[dict[str, Any]]) -> Table:
    table = Table("at", "service", "who", "what", "object", "why", box=None, pad_edge=False)
    for entry in entries:
        told = [entry[name] or "-" for name in ("at", "service", "who", "action", "object", "why")]
        table.add_row(*(escape(str(text)) for text in told))
    return table
