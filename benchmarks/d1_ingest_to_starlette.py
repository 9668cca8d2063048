"""D1: ingest rps, produce acknowledged ÷ Starlette HMAC only, 1 event, 64 connections."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.ingest import ingest_against
from benchmarks.measure import Outcome

GOAL = Goal(
    "D1",
    "ingest rps, produce acknowledged ÷ Starlette HMAC only, 1 event, c64",
    seen="0.78–1.08",
    good=0.7,
    very_good=0.95,
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return ingest_against(bench, "starlette_hmac", events=1)


BENCHMARK = Benchmark(GOAL, run)
