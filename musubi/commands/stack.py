"""`musubi up | down | clean | status | logs`: the stack on this machine, or in Docker with STACK=docker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from deploy.docker import engine
from deploy.docker.stack import ContainerStack
from deploy.docker.status import container_rows, show_containers
from deploy.local.addresses import show_addresses
from deploy.local.logs import log_files, show_logs
from deploy.local.paths import CONTAINER_HOME, DEFAULT_HOME, Home
from deploy.local.programs import SERVICE_NAMES
from deploy.local.progress import Progress, people_console
from deploy.local.stack import Stack, stack_facts
from deploy.local.status import lag_rows, process_rows, show, show_lag
from deploy.local.story import play_once

HOME = Home(DEFAULT_HOME)
DOCKER_HOME = Home(CONTAINER_HOME)


def chosen_home() -> Home:
    """Return the folder of the stack that STACK names.

    Raises:
        StackError: it names none.
    """
    return DOCKER_HOME if engine.wanted() else HOME


def _stack(progress: Progress) -> Stack | ContainerStack:
    return ContainerStack(DOCKER_HOME, progress) if engine.wanted() else Stack(HOME, progress)


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
    progress = Progress()
    stack = _stack(progress)
    with progress.running():
        stack.up(counts)
    clean = play_once(stack.home) if story else True
    show_addresses(progress.console, stack_facts(stack.home.stack_file), str(stack.home.stack_file))
    if not clean:
        raise typer.Exit(1)


def down() -> None:
    """Stop everything cleanly; data stays."""
    progress = Progress()
    stack = _stack(progress)
    with progress.running():
        stopped = stack.down()
    where = "in volumes" if isinstance(stack, ContainerStack) else "in .local"
    progress.done(f"stopped; data stays {where}" if stopped else "nothing was running")


def clean() -> None:
    """Stop everything and delete data, logs and development keys; downloads and images stay."""
    progress = Progress()
    stack = _stack(progress)
    with progress.running():
        stack.wipe()
    progress.done("wiped volumes and .local/docker" if isinstance(stack, ContainerStack) else "wiped .local")


def status() -> None:
    """Show each process with its health, and consumer lag; status 1 where something is not well."""
    home = chosen_home()
    facts = stack_facts(home.stack_file)
    console = people_console()
    if engine.wanted():
        stack = ContainerStack(home, Progress(console))
        stack.refresh()
        facts = stack_facts(home.stack_file)
        containers, lags = container_rows(stack.compose.containers(), facts), lag_rows(facts)
        show_containers(console, containers)
        show_lag(console, lags)
        ill = any(row.problem is not None for row in containers)
    else:
        rows, lags = process_rows(home, facts), lag_rows(facts)
        show(console, rows, lags)
        ill = any(row.problem is not None for row in rows)
    if isinstance(lags, str) or ill:
        raise typer.Exit(1)


def logs(
    service: Annotated[str | None, typer.Argument(help="A service or process; all where none is named.")] = None,
    lines: Annotated[int, typer.Option(min=0, help="How many of the last lines of each.")] = 40,
    follow: Annotated[bool | None, typer.Option(help="Go on printing; default: in a terminal.")] = None,
) -> None:
    """Show the logs of all processes, or of one service."""
    console = people_console()
    following = console.is_terminal if follow is None else follow
    if engine.wanted():
        raise typer.Exit(ContainerStack(DOCKER_HOME, Progress(console)).logs(service, lines, following))
    show_logs(log_files(HOME, service), lines, following, lambda line: console.out(line))
