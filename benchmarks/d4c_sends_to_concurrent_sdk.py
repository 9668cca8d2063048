"""D4C: the same as D4 against an SDK loop of 32 calls at once."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.d4_sends_to_sdk import measured
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome

GOAL = Goal(
    "D4C",
    "recipients/s with ledger ÷ SDK loop, 32 at once, LINE at 50 ms, real store",
    seen="11, no ledger",
    good=3,
    very_good=8,
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return measured(bench, concurrency=32)


BENCHMARK = Benchmark(GOAL, run)
