"""D9: Musubi's consumer in partition batches ÷ bare aiokafka with the same decoding."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.consuming import consumers_compared
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome

A_SECOND = 100_000

GOAL = Goal(
    "D9", "consumer in batches, records/s ÷ bare getmany + decode + commit", seen="0.7–0.8", good=0.3, very_good=0.7
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return consumers_compared(bench, "shell_batches", "bare", records=int(A_SECOND * bench.seconds))


BENCHMARK = Benchmark(GOAL, run)
