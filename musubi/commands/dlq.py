"""`musubi dlq list | show | replay`: the records that services gave up on, and their second chance."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.errors import StackError
from deploy.local.progress import people_console
from musubi.apis import Api, ApiOption, KeyOption, Refused, apis

PAGE = 200

app = typer.Typer(help="List, show and replay dead letters.", no_args_is_help=True)

ServiceOption = Annotated[str | None, typer.Option("--service", help="One service; all that serve it otherwise.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Letter = dict[str, Any]


@app.command("list")
def list_letters(
    service: ServiceOption = None,
    topic: Annotated[str | None, typer.Option(help="Only records that came from this topic.")] = None,
    error: Annotated[str | None, typer.Option(help="Only errors of this class, such as BadRecord.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of each service at most.")] = 50,
    as_json: JsonOption = False,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """List dead letters, newest first, without what they hold."""
    letters: list[Letter] = []
    for served in apis(service, api, key):
        letters += _letters(served, topic, error, limit)
    if as_json:
        typer.echo(json.dumps(letters, ensure_ascii=False, indent=2))
    elif letters:
        people_console().print(_table(letters))
    else:
        people_console().out("no dead letters")


@app.command("show")
def show_letter(
    letter: Annotated[str, typer.Argument(help="Its id as listed, such as binding/0-12.")],
    service: ServiceOption = None,
    as_json: JsonOption = False,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Show a dead letter and what it holds; that may be personal data."""
    served, name = _find(letter, service, api, key)
    found = served.call("GET", f"/v1/dlq/{name}")
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    console = people_console()
    about = Table(show_header=False, box=None, pad_edge=False)
    for field, value in found.items():
        if field not in {"value", "headers"}:
            about.add_row(field.replace("_", " "), escape("-" if value is None else str(value)))
    for field, value in found["headers"].items():
        about.add_row(f"header {field}", escape(str(value)))
    console.print(about)
    console.out("\n" + _readable(found["value"]))


@app.command("replay")
def replay_letters(
    letters: Annotated[list[str], typer.Argument(help="Ids as listed, such as binding/0-12.")],
    force: Annotated[bool, typer.Option("--force", help="Also one that was replayed before.")] = False,
    service: ServiceOption = None,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Put dead letters before their service again, each at most once; do it after the fix."""
    for letter in letters:
        served, name = _find(letter, service, api, key)
        try:
            served.call("POST", f"/v1/dlq/{name}/replay", query={"force": "true"} if force else None)
        except Refused as refused:
            if refused.status != 409:
                raise
            raise StackError(
                f"{letter} was replayed before. Look for its effect first: a second copy may double it. "
                f"Where the effect is missing, `musubi dlq replay --force {letter}` replays it again."
            ) from None
        people_console().out(f"{letter} goes to its service again")


def _letters(api: Api, topic: str | None, error: str | None, limit: int) -> list[Letter]:
    """Fetch letters of one service, page by page."""
    found: list[Letter] = []
    cursor: str | None = None
    while len(found) < limit:
        asked = {"topic": topic, "error": error, "cursor": cursor, "limit": str(min(PAGE, limit - len(found)))}
        page = api.call("GET", "/v1/dlq", query={name: value for name, value in asked.items() if value is not None})
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return found


def _find(letter: str, service: str | None, url: str | None, key: str | None) -> tuple[Api, str]:
    """Return the API that has a letter, and the letter's id there."""
    named, _, name = letter.rpartition("/")
    if named and service not in {None, named}:
        raise StackError(f"{letter} is no letter of {service}")
    served = apis(named or service, url, key)
    if len(served) > 1:
        there = " or ".join(f"{api.service}/{letter}" for api in served)
        raise StackError(f"{letter} does not say whose letter it is: {there}?")
    return served[0], name


def _table(letters: list[Letter]) -> Table:
    table = Table("letter", "from", "error", "what went wrong", "tries", "since", "replayed", box=None, pad_edge=False)
    for letter in letters:
        table.add_row(
            f"{letter['service']}/{letter['id']}",
            f"{letter['topic']} {letter['partition']}-{letter['offset']}",
            escape(letter["error_class"]),
            escape(letter["error"]),
            str(letter["attempts"]),
            letter["dead_since"],
            "yes" if letter["replayed"] else "no",
        )
    return table


def _readable(value: str | None) -> str:
    """Lay out a record's value for people, where it is JSON."""
    if value is None:
        return "(no value)"
    try:
        return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except ValueError:
        return value
