"""D10: a handler that waits 2.5 ms a record: concurrent across the keys of one partition ÷ one after the other.

10,000 records of 200 keys. Where a key's order is lost the benchmark cannot run.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.consumers.slow_handler import SECONDS
from benchmarks.consuming import consumers_compared
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Outcome

RECORDS = 10_000
KEYS = 200

GOAL = Goal("D10", "2.5 ms handler, 1 partition, 200 keys ÷ serial; order kept", seen="10", good=5, very_good=10)


def run(bench: Bench) -> Outcome:
    """Measure it; the serial way works for as long as a round lasts, not through all records."""
    outcome = consumers_compared(bench, "slow_keyed", "slow_serial", records=RECORDS, partitions=1, users=KEYS)
    return replace(outcome, notes={**outcome.notes, "handler_ms": SECONDS * 1e3, "keys": KEYS})


BENCHMARK = Benchmark(GOAL, run)
