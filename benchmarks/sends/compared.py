"""Broadcast's sender and the SDK's loop by turns against a LINE that answers after 50 ms: D4 and D5."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from math import ceil

from benchmarks.bench import Bench
from benchmarks.measure import Compare, Outcome, Sample, side_by_side
from benchmarks.processes import run_round, serving
from benchmarks.sends.crowd import Crowd, crowd
from benchmarks.sends.musubi import Round
from shared.line.prepared import MOST_RECIPIENTS

LATENCY_MS = 50
FREEZE_SECONDS = 60.0
"""A round's campaigns are frozen before the clock starts."""


def sends_compared(
    bench: Bench,
    compare: Compare,
    *,
    concurrency: int,
    chunks_a_second: float,
    per_second: float | None = None,
    in_flight: int | None = None,
) -> Outcome:
    """Measure campaigns of 100,000 friends against the SDK's loop.

    Args:
        compare: what is compared.
        concurrency: calls of the SDK's loop at once.
        chunks_a_second: how many of ours to expect, for as many campaigns as fill a round.
        per_second, in_flight: how broadcast sends; None for its own settings.
    """
    environment = {"LATENCY_MS": str(LATENCY_MS)}
    with (
        serving("benchmarks.sends.line", bench.cores.others, bench.folder, environment, listens=True) as line,
        crowd(bench.mongo_url, bench.folder) as friends,
    ):
        url = f"http://127.0.0.1:{line.port}"
        campaigns = ceil(bench.seconds * chunks_a_second * MOST_RECIPIENTS / friends.friends)
        told = _round(bench, friends, url, campaigns)
        told = replace(told, per_second=per_second, in_flight=in_flight)
        sdk = {"line_url": url, "concurrency": concurrency, "seconds": bench.seconds}
        outcome = side_by_side(
            bench.rounds,
            ("broadcast", partial(_ours, bench, told)),
            (f"sdk, {concurrency} at once", partial(_theirs, bench, sdk)),
            compare,
            item="recipient",
        )
    return replace(outcome, notes={**outcome.notes, "store": bench.store, "latency_ms": LATENCY_MS})


def _round(bench: Bench, friends: Crowd, url: str, campaigns: int) -> Round:
    return Round(friends.place(bench.kafka_url, url), friends.friends, campaigns)


def _ours(bench: Bench, told: Round) -> Sample:
    return run_round("benchmarks.sends.musubi", bench.cores.subject, bench.seconds * 3 + FREEZE_SECONDS, asdict(told))


def _theirs(bench: Bench, told: dict[str, object]) -> Sample:
    return run_round("benchmarks.sends.sdk", bench.cores.subject, bench.seconds, told)
