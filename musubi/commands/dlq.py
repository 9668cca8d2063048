"""`musubi dlq list | show | counts | replay | drop`: the records that services gave up on, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from deploy.local.errors import StackError
from deploy.local.progress import people_console
from musubi.apis import Api, ApiOption, KeyOption, Refused, apis
from musubi.moments import asked_moment

PAGE = 200
MOST = 1000

app = typer.Typer(help="List, show, replay and drop dead letters.", no_args_is_help=True)

ServiceOption = Annotated[str | None, typer.Option("--service", help="One service; all that serve it otherwise.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only records that came from this topic.")]
ErrorOption = Annotated[str | None, typer.Option("--error", help="Only errors of this class, such as BadRecord.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only what died at or after: RFC 3339, or a date (UTC).")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only what died before: RFC 3339, or a date (UTC).")]
StateOption = Annotated[
    str | None, typer.Option("--state", help="open, replayed, dropped or all; all but dropped ones otherwise.")
]
LettersArgument = Annotated[list[str] | None, typer.Argument(help="Ids as listed, such as binding/0-12.")]
AllOption = Annotated[bool, typer.Option("--all", help="All open ones that the filters leave, instead of ids.")]
YesOption = Annotated[bool, typer.Option("--yes", help="With --all: do it, instead of counting.")]
MostOption = Annotated[
    int, typer.Option("--most", min=1, max=MOST, help="With --all: so many of each service at most.")
]
Letter = dict[str, Any]


@app.command("list")
def list_letters(
    service: ServiceOption = None,
    topic: TopicOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    state: StateOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of each service at most.")] = 50,
    as_json: JsonOption = False,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """List dead letters, newest first, without what they hold."""
    wanted = _filters(topic, error, since, until) | ({"state": state} if state else {})
    letters: list[Letter] = []
    for served in apis(service, api, key):
        letters += _letters(served, wanted, limit)
    if as_json:
        typer.echo(json.dumps(letters, ensure_ascii=False, indent=2))
    elif letters:
        people_console().print(_table(letters))
    else:
        people_console().out("no dead letters")


@app.command("counts")
def count_letters(
    service: ServiceOption = None, as_json: JsonOption = False, api: ApiOption = None, key: KeyOption = None
) -> None:
    """Count each service's dead letters: nobody has dealt with the open ones."""
    counts = [served.call("GET", "/v1/dlq/counts") for served in apis(service, api, key)]
    if as_json:
        typer.echo(json.dumps(counts, indent=2))
        return
    table = Table("service", "open", "replayed", "dropped", box=None, pad_edge=False)
    for count in counts:
        table.add_row(*(str(count[name]) for name in ("service", "open", "replayed", "dropped")))
    people_console().print(table)


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
        if field == "dropped":
            about.add_row(field, escape(_decision(value)))
        elif field not in {"value", "headers"}:
            about.add_row(field.replace("_", " "), escape("-" if value is None else str(value)))
    for field, value in found["headers"].items():
        about.add_row(f"header {field}", escape(str(value)))
    console.print(about)
    console.out("\n" + _readable(found["value"]))


@app.command("replay")
def replay_letters(
    letters: LettersArgument = None,
    force: Annotated[bool, typer.Option("--force", help="Also one that was replayed or dropped before.")] = False,
    everything: AllOption = False,
    yes: YesOption = False,
    most: MostOption = MOST,
    topic: TopicOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    service: ServiceOption = None,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Put dead letters before their service again, each at most once; do it after the fix."""
    wanted = _filters(topic, error, since, until)
    if _sweeps(letters, everything, wanted) and not force:
        _sweep("replay", wanted, yes, most, apis(service, api, key))
        return
    if everything:
        raise StackError("--force is for single letters: look for the effect of each first")
    for letter in letters or []:
        served, name = _find(letter, service, api, key)
        try:
            served.call("POST", f"/v1/dlq/{name}/replay", query={"force": "true"} if force else None)
        except Refused as refused:
            if refused.status != 409:
                raise
            raise StackError(
                f"{letter} was replayed before, or dropped. Look for its effect first: a second copy may double it. "
                f"Where the effect is missing, `musubi dlq replay --force {letter}` replays it again."
            ) from None
        people_console().out(f"{letter} goes to its service again")


@app.command("drop")
def drop_letters(
    letters: LettersArgument = None,
    why: Annotated[str | None, typer.Option("--why", help="Why; it is kept. No personal data.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the dropping back.")] = False,
    everything: AllOption = False,
    yes: YesOption = False,
    most: MostOption = MOST,
    topic: TopicOption = None,
    error: ErrorOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    service: ServiceOption = None,
    api: ApiOption = None,
    key: KeyOption = None,
) -> None:
    """Decide that dead letters need no second chance; they stay in Kafka until its retention ends."""
    if not undo and not why:
        raise StackError("say why: --why 'a test record'")
    wanted = _filters(topic, error, since, until)
    if _sweeps(letters, everything, wanted) and not undo:
        _sweep("drop", wanted | {"why": why or ""}, yes, most, apis(service, api, key))
        return
    if everything:
        raise StackError("--undo is for single letters")
    for letter in letters or []:
        served, name = _find(letter, service, api, key)
        if undo:
            served.call("DELETE", f"/v1/dlq/{name}/drop")
        else:
            served.call("POST", f"/v1/dlq/{name}/drop", body={"why": why})
        people_console().out(f"{letter} is {'open again' if undo else 'dropped'}")


def _filters(topic: str | None, error: str | None, since: str | None, until: str | None) -> dict[str, str]:
    asked = {"topic": topic, "error": error, "since": asked_moment(since), "until": asked_moment(until)}
    return {name: value for name, value in asked.items() if value is not None}


def _sweeps(letters: list[str] | None, everything: bool, wanted: Mapping[str, str]) -> bool:
    """Whether all that match are meant.

    Raises:
        StackError: neither ids nor --all were given, or both, or filters with ids.
    """
    if bool(letters) == everything:
        raise StackError("name letters, such as binding/0-12, or give --all with filters")
    if letters and wanted:
        raise StackError("filters go with --all, not with named letters")
    return everything


def _sweep(action: str, body: Mapping[str, str], yes: bool, most: int, served: list[Api]) -> None:
    """Deal with all open letters that match at each service; only count them without `yes`."""
    for api in served:
        answer = api.call("POST", f"/v1/dlq/{action}", body={**body, "most": most, "dry_run": not yes})
        name = api.service or api.url
        if yes:
            done = "replayed" if action == "replay" else "dropped"
            people_console().out(f"{name}: {answer['done']} of {answer['matched']} {done}")
        else:
            people_console().out(
                f"{name}: {answer['matched']} match; --yes would {action} {min(answer['matched'], most)}"
            )


def _letters(api: Api, wanted: Mapping[str, str], limit: int) -> list[Letter]:
    """Fetch letters of one service, page by page."""
    found: list[Letter] = []
    cursor: dict[str, str] = {}
    while len(found) < limit:
        size = {"limit": str(min(PAGE, limit - len(found)))}
        page = api.call("GET", "/v1/dlq", query={**wanted, **cursor, **size})
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
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
    table = Table("letter", "from", "error", "what went wrong", "tries", "since", "then", box=None, pad_edge=False)
    for letter in letters:
        table.add_row(
            f"{letter['service']}/{letter['id']}",
            f"{letter['topic']} {letter['partition']}-{letter['offset']}",
            escape(letter["error_class"]),
            escape(letter["error"]),
            str(letter["attempts"]),
            letter["dead_since"],
            escape(_outcome(letter)),
        )
    return table


def _outcome(letter: Letter) -> str:
    if letter["dropped"] is not None:
        return f"dropped {_decision(letter['dropped'])}"
    return "replayed" if letter["replayed"] else "open"


def _decision(dropped: Mapping[str, str] | None) -> str:
    return "-" if dropped is None else f"by {dropped['by']} at {dropped['at']}: {dropped['why']}"


def _readable(value: str | None) -> str:
    """Lay out a record's value for people, where it is JSON."""
    if value is None:
        return "(no value)"
    try:
        return json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    except ValueError:
        return value
