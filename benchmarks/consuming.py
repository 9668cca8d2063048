"""Two consumers of the same topic by turns, each round in a process and a group of its own."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from benchmarks.bench import Bench
from benchmarks.consumers.tally import Task
from benchmarks.measure import Outcome, Sample, side_by_side
from benchmarks.processes import run_round
from benchmarks.records import SERVICE, filled_topic
from shared.ids import ulid

WARM_SECONDS = 2.0
ALL_SECONDS = 180.0
"""At most, where all records are read."""


def consumers_compared(
    bench: Bench, subject: str, yardstick: str, *, records: int, partitions: int = 12, users: int = 1000
) -> Outcome:
    """Measure records a second of two modules of `benchmarks.consumers`, each after a short warming round.

    Args:
        records: how many to write; a consumer that has read all of them is done before its round is over.
    """
    with filled_topic(bench.kafka_url, partitions, records, users) as topic:
        for name in (subject, yardstick):
            _round(bench, name, topic, records, min(WARM_SECONDS, bench.seconds))
        measures = [partial(_round, bench, name, topic, records, bench.seconds) for name in (subject, yardstick)]
        return side_by_side(bench.rounds, (subject, measures[0]), (yardstick, measures[1]), item="record")


def consume_round(bench: Bench, name: str, topic: str, records: int) -> Sample:
    """Let one module of `benchmarks.consumers` read all records."""
    return _round(bench, name, topic, records, ALL_SECONDS)


def _round(bench: Bench, name: str, topic: str, records: int, seconds: float) -> Sample:
    run = f"{SERVICE}_{ulid().lower()}"
    task = Task(bench.kafka_url, topic, records, run, seconds, bench.mongo_url, run)
    return run_round(f"benchmarks.consumers.{name}", bench.cores.subject, seconds, asdict(task))
