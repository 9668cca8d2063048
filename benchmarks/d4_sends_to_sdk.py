"""D4: recipients a second of a campaign with its ledger ÷ the SDK's loop, one call after the other, LINE at 50 ms.

The pace is lifted on our side, as the SDK has none: at LINE's limit of 200 calls a second both would be held to it.
"""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome, rates
from benchmarks.sends.compared import sends_compared

WITHOUT_LIMIT = 10_000.0
IN_FLIGHT = 128
EXPECTED = 400.0

GOAL = Goal(
    "D4",
    "recipients/s with ledger ÷ SDK loop one by one, LINE at 50 ms, real store",
    seen="100, no ledger",
    good=10,
    very_good=50,
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return measured(bench, concurrency=1)


def measured(bench: Bench, concurrency: int) -> Outcome:
    """Compare with the SDK's loop of so many calls at once."""
    return sends_compared(
        bench,
        rates,
        concurrency=concurrency,
        chunks_a_second=EXPECTED,
        per_second=WITHOUT_LIMIT,
        in_flight=IN_FLIGHT,
    )


BENCHMARK = Benchmark(GOAL, run)
