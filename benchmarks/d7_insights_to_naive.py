"""D7: insights' counting, exact under replay, ÷ a record, an increment and a commit at a time."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.consuming import consumers_compared
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome

A_SECOND = 30_000

GOAL = Goal(
    "D7",
    "insights events/s ÷ naive getone + $inc + commit, real store",
    seen="42–79, no real store",
    good=15,
    very_good=40,
)


def run(bench: Bench) -> Outcome:
    """Measure it on the store of this run, which the result names."""
    outcome = consumers_compared(bench, "insights", "naive_counter", records=int(A_SECOND * bench.seconds))
    return replace(outcome, notes={**outcome.notes, "store": bench.store})


BENCHMARK = Benchmark(GOAL, run)
