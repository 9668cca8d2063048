"""Plays one scenario on a stack and judges what it left."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.testing.spine import Spine
from tests.faults.catalogue import cases_shown_by
from tests.faults.observer import Beginning, Observer
from tests.faults.oracle import judge
from tests.faults.quiet import until_quiet
from tests.faults.stage import Stage
from tests.faults.table import Row

if TYPE_CHECKING:
    from tests.faults.cluster import Cluster

Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A fault under traffic. What it shows is in the catalogue, by its name."""

    name: str
    fault: str
    play: Play


def _nobody(_: str) -> None:
    """Nobody watches."""


async def run(
    scenario: Scenario,
    spine: Spine,
    observer: Observer,
    seed: int,
    tell: Callable[[str], None] = _nobody,
    cluster: Cluster | None = None,
) -> Row:
    """Play a scenario from quiet to quiet and compare; what goes wrong on the way is the row's failure."""
    began = time.monotonic()
    stage = Stage(spine, observer, scenario.name, seed, tell, cluster)
    row = Row(scenario.fault, cases_shown_by(scenario.name))
    try:
        await until_quiet(spine, observer)
        since = await observer.beginning()
        await scenario.play(stage)
        quiet_at = await until_quiet(spine, observer)
        row.recovery = max(0.0, quiet_at - stage.over_at) if stage.injected else None
        await _judge(stage, since, row)
    except Exception as error:  # noqa: BLE001 - a scenario that breaks must not end the others
        row.failure = _words(error)
    row.injected, row.sent = stage.injected, len(stage.ledger.events)
    row.accepted = len(stage.ledger.accepted)
    row.seconds = time.monotonic() - began
    return row


async def _judge(stage: Stage, since: Beginning, row: Row) -> None:
    observed = await stage.observer.observe(stage.ledger, since)
    missing = max(0, stage.expected_letters - observed.letters)
    observed.letters = max(0, observed.letters - stage.expected_letters)
    verdict = judge(stage.ledger, observed)
    verdict.lost += ["a dead letter that had to be written"] * missing
    row.effects, row.unsettled = verdict.effects, verdict.unsettled
    row.lost, row.twice = len(verdict.lost), len(verdict.twice)
    row.differences = [f"lost: {text}" for text in verdict.lost] + [f"twice: {text}" for text in verdict.twice]


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_words(inner) for inner in error.exceptions)
    return f"{error.__class__.__name__}: {error}".splitlines()[0]
