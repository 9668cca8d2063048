"""`musubi up | down | clean | status | logs`: the stack on this machine, or in Docker with STACK=docker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from deploy.local import compose
from deploy.local.addresses import show_addresses
from deploy.local.logs import log_files, show_logs
from deploy.local.paths import DEFAULT_HOME, Home
from deploy.local.programs import SERVICE_NAMES
from deploy.local.progress import Progress, people_console
from deploy.local.stack import Stack, stack_facts
from deploy.local.status import lag_rows, process_rows, show
from deploy.local.story import play_once

HOME = Home(DEFAULT_HOME)


def replica_counts(options: list[str], environment: Mapping[str, str]) -> dict[str, int]:
    """Read `binding=3` options and BINDING=3 variables (what `make up BINDING=3` sets); options win.

    Raises:
        typer.BadParameter: an unknown service, or no number from 1 to 12 (a topic has 12 partitions).
    """
    counts = {name: environment[name.upper()] for name in SERVICE_NAMES if environment.get(name.upper())}
    for option in options:
        name, _, count = option.partition("=")
        if name not in SERVICE_NAMES:
            raise typer.BadParameter(f"{name!r} is no service; there are {', '.join(SERVICE_NAMES)}")
        counts[name] = count
    for name, count in counts.items():
        if not count.isdigit() or not 1 <= int(count) <= 12:
            raise typer.BadParameter(f"{name}={count}: the number of replicas is 1 to 12")
    return {name: int(count) for name, count in counts.items()}


def up(
    replicas: Annotated[list[str] | None, typer.Option(help="Replicas of a service, as binding=3.")] = None,
    story: Annotated[bool, typer.Option(help="Play the story the first time.")] = True,
) -> None:
    """Bring up what does not run, keep all data, print the addresses."""
    counts = replica_counts(replicas or [], os.environ)
    if compose.wanted():
        raise typer.Exit(compose.up(counts))
    progress = Progress()
    with progress.running():
        Stack(HOME, progress).up(counts)
    clean = play_once(HOME) if story else True
    show_addresses(progress.console, stack_facts(HOME.stack_file), str(HOME.stack_file))
    if not clean:
        raise typer.Exit(1)


def down() -> None:
    """Stop everything cleanly; data stays."""
    if compose.wanted():
        raise typer.Exit(compose.compose("down"))
    progress = Progress()
    with progress.running():
        stopped = Stack(HOME, progress).down()
    progress.done("stopped; data stays in .local" if stopped else "nothing was running")


def clean() -> None:
    """Stop everything and delete data, logs and development keys; downloads stay in the cache."""
    if compose.wanted():
        raise typer.Exit(compose.compose("down", "--volumes", "--remove-orphans"))
    progress = Progress()
    with progress.running():
        Stack(HOME, progress).wipe()
    progress.done("wiped .local")


def status() -> None:
    """Show each process with its health, and consumer lag; status 1 where something is not well."""
    if compose.wanted():
        raise typer.Exit(compose.compose("ps"))
    facts = stack_facts(HOME.stack_file)
    rows, lags = process_rows(HOME, facts), lag_rows(facts)
    show(people_console(), rows, lags)
    if isinstance(lags, str) or any(row.problem is not None for row in rows):
        raise typer.Exit(1)


def logs(
    service: Annotated[str | None, typer.Argument(help="A service or process; all where none is named.")] = None,
    lines: Annotated[int, typer.Option(min=0, help="How many of the last lines of each.")] = 40,
    follow: Annotated[bool | None, typer.Option(help="Go on printing; default: in a terminal.")] = None,
) -> None:
    """Show the logs of all processes, or of one service."""
    if compose.wanted():
        raise typer.Exit(compose.compose("logs", "--tail", str(lines), *([service] if service else [])))
    console = people_console()
    files = log_files(HOME, service)
    show_logs(files, lines, console.is_terminal if follow is None else follow, lambda line: console.out(line))
