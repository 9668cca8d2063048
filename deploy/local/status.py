"""What runs, whether it is well, and how far consumers are behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiokafka.errors
from rich.console import Console
from rich.table import Table

from deploy.local import probes
from deploy.local.lag import Lag, consumer_lag
from deploy.local.paths import Home
from deploy.local.supervision import State, Supervisor

REASON_LENGTH = 120


@dataclass(frozen=True)
class Row:
    """A process as `make status` shows it. `problem` is None where it is well."""

    name: str
    state: State | None
    address: str
    problem: str | None


def process_rows(home: Home, facts: dict[str, Any]) -> list[Row]:
    """Ask every process of stack.json how it is."""
    supervisor = Supervisor(home)
    states = supervisor.states()
    return [Row(name, states.get(name), address, problem) for name, address, problem in answers(facts)]


def answers(facts: dict[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Ask every process of stack.json: its name, its address, and what is wrong with it, if anything."""
    yield "kafka", facts["kafka"], probes.kafka_accepts(facts["kafka"])
    yield "mongo", facts["mongo"], probes.mongo_accepts(facts["mongo"])
    if "line" in facts:
        yield "simulator", facts["line"]["api"], _readable(probes.http_ok(facts["line"]["api"] + "/health/ready"))
    for service, replicas in facts.get("replicas", {}).items():
        for number, addresses in enumerate(replicas, 1):
            address = next(url for what, url in addresses.items() if what != "ops")
            yield f"{service}-{number}", address, _readable(probes.http_ok(addresses["ops"] + "/health/ready"))


def _readable(answer: str | None) -> str | None:
    """Take the reasons out of the JSON that `/health/ready` answers with 503."""
    if answer is None:
        return None
    try:
        problems = json.loads(answer.partition(" ")[2])["problems"]
        return "; ".join(f"{check}: {reason}" for check, reason in problems.items()) or answer
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer


def lag_rows(facts: dict[str, Any]) -> list[Lag] | str:
    """Return lag by group and topic, or why it cannot be told."""
    try:
        return consumer_lag(facts["kafka"], facts.get("services", {}))
    except (aiokafka.errors.KafkaError, OSError) as error:
        return f"{error.__class__.__name__}: {error}"


def show(console: Console, rows: list[Row], lags: list[Lag] | str) -> None:
    """Print both tables."""
    table = Table("process", "state", "pid", "up", "address", "restarts", "ready", box=None, pad_edge=False)
    table.columns[4].overflow = table.columns[6].overflow = "fold"
    for row in rows:
        state = row.state
        table.add_row(
            row.name,
            state.state.lower() if state else "given",
            str(state.pid or "-") if state else "-",
            _duration(state.seconds_up) if state else "-",
            row.address,
            str(state.deaths) if state else "-",
            ready_words(row.problem),
            style=None if row.problem is None else "red",
        )
    console.print(table)
    console.print()
    show_lag(console, lags)


def ready_words(problem: str | None) -> str:
    """Say whether a process is ready, and if not, why."""
    return "yes" if problem is None else f"no: {problem[:REASON_LENGTH]}"


def show_lag(console: Console, lags: list[Lag] | str) -> None:
    """Print how far consumers are behind."""
    if isinstance(lags, str):
        console.print(f"consumer lag cannot be told: {lags}", markup=False)
        return
    if not lags:
        console.print("no consumer group has finished a record yet")
        return
    table = Table("group", "topic", "records behind", "in partitions", box=None, pad_edge=False)
    for lag in lags:
        table.add_row(lag.group, lag.topic, str(lag.records), str(lag.partitions))
    console.print(table)


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
