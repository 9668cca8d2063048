"""G4: the most memory the keyed consumer holds while it works off 10,000, 100,000 and 1,000,000 records."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.bench import Bench
from benchmarks.consuming import consume_round
from benchmarks.goals import Benchmark, Goal
from benchmarks.growth import grown, peak_mb
from benchmarks.measure import Outcome
from benchmarks.records import filled_topic

SIZES = (10_000, 100_000, 1_000_000)
KEYS = 10_000

GOAL = Goal(
    "G4",
    "growth: consumer's peak memory (MB) at a lag of 1,000,000 ÷ of 10,000",
    seen="–",
    good=2.0,
    very_good=1.5,
    cost=True,
)


def run(bench: Bench) -> Outcome:
    """Measure it once: memory does not vary as time does."""
    with ExitStack() as stack:
        topics = {size: stack.enter_context(filled_topic(bench.kafka_url, 12, size, KEYS)) for size in SIZES}
        return grown(
            SIZES,
            lambda size: consume_round(bench, "shell_keyed", topics[size], size),
            1,
            name="records behind",
            figure=peak_mb,
            item="record",
        )


BENCHMARK = Benchmark(GOAL, run)
