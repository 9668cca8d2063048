"""G5: the most memory a sender holds for a campaign of 10,000, 100,000 and 1,000,000 people, some of them repeated."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.d4_sends_to_sdk import IN_FLIGHT, WITHOUT_LIMIT
from benchmarks.goals import Benchmark, Goal
from benchmarks.growth import grown, peak_mb
from benchmarks.measure import Outcome
from benchmarks.sends.compared import send_round, sending_to

SIZES = (10_000, 100_000, 1_000_000)
FEWER = (10_000, 30_000, 100_000)
"""For a store without indexes, which would take an hour for the most."""

GOAL = Goal(
    "G5",
    "growth: sender's peak memory (MB), campaign of 1,000,000 people ÷ of 10,000",
    seen="–",
    good=1.5,
    very_good=1.2,
    cost=True,
)


def run(bench: Bench) -> Outcome:
    """Measure it once, as fast as the store and the stand-in for LINE go."""
    with sending_to(bench) as target:
        return grown(
            FEWER if bench.scans else SIZES,
            lambda size: send_round(bench, target, [size], per_second=WITHOUT_LIMIT, in_flight=IN_FLIGHT),
            1,
            name="people",
            figure=peak_mb,
            item="recipient",
            store=bench.store,
        )


BENCHMARK = Benchmark(GOAL, run)
