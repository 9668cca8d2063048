"""D9K: Musubi's consumer by key, 1,000 keys, ÷ bare aiokafka with the same decoding and no order to keep."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.consuming import consumers_compared
from benchmarks.d9_consumer_batches import A_SECOND
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome

GOAL = Goal(
    "D9K", "consumer by key, records/s ÷ bare getmany + decode + commit", seen="0.65–0.79", good=0.3, very_good=0.7
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return consumers_compared(bench, "shell_keyed", "bare", records=int(A_SECOND * bench.seconds))


BENCHMARK = Benchmark(GOAL, run)
