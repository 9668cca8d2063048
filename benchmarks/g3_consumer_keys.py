"""G3: the keyed consumer's CPU for a record, among 10,000, 30,000 and 100,000 keys: at the most ÷ at the fewest.

Among fewer keys a handler is given several records of a key at once, which costs half; here each call gets about one.
"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.bench import Bench
from benchmarks.consuming import consume_round
from benchmarks.goals import Benchmark, Goal
from benchmarks.growth import grown
from benchmarks.measure import Outcome
from benchmarks.records import filled_topic

SIZES = (10_000, 30_000, 100_000)
RECORDS = 100_000
ROUNDS = 3

GOAL = Goal(
    "G3",
    "growth: consumer by key, CPU a record among 100,000 keys ÷ among 10,000",
    seen="–",
    good=1.5,
    very_good=1.2,
    cost=True,
)


def run(bench: Bench) -> Outcome:
    """Measure it; each round reads all records."""
    with ExitStack() as stack:
        topics = {size: stack.enter_context(filled_topic(bench.kafka_url, 12, RECORDS, size)) for size in SIZES}
        return grown(
            SIZES,
            lambda size: consume_round(bench, "shell_keyed", topics[size], RECORDS),
            min(ROUNDS, bench.rounds),
            name="keys",
            item="record",
        )


BENCHMARK = Benchmark(GOAL, run)
