"""D5: CPU of a chunk of 500 with its ledger and facts, at the service's own pace ÷ CPU of the SDK's multicast."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome, costs
from benchmarks.sends.compared import sends_compared

PACE = 197.0

GOAL = Goal(
    "D5",
    "CPU a chunk with durable ledger, at 197 a second ÷ SDK multicast",
    seen="0.20–0.33",
    good=0.4,
    very_good=0.2,
    cost=True,
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return sends_compared(bench, costs, concurrency=32, chunks_a_second=PACE)


BENCHMARK = Benchmark(GOAL, run)
