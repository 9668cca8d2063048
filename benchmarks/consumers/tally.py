"""What a measured consumer counts: from its first record until time is up or the topic is read."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks.cores import own_peak_mb


@dataclass(frozen=True)
class Task:
    """What a consumer is told, as JSON: a topic of `records` records, read from its beginning by a new group."""

    kafka_url: str
    topic: str
    records: int
    group: str
    seconds: float
    mongo_url: str = ""
    database: str = ""


class Tally:
    """Counts finished records; `done` is set when time is up or all are finished."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._started = self._cpu = 0.0
        self._items = 0
        self._result: dict[str, Any] | None = None
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Start the clock; only the first call counts."""
        if not self._started:
            self._started, self._cpu = time.perf_counter(), time.process_time()

    def add(self, finished: int) -> None:
        """Count records that are finished; what comes after the end does not count."""
        if self._result is not None:
            return
        self._items += finished
        seconds = time.perf_counter() - self._started
        if self._items >= self._task.records or seconds >= self._task.seconds:
            cpu = time.process_time() - self._cpu
            notes = {"rss_mb": own_peak_mb()}
            self._result = {"items": self._items, "seconds": seconds, "cpu_seconds": cpu, "notes": notes}
            self.done.set()

    @property
    def result(self) -> dict[str, Any] | None:
        """What was counted, once it is done."""
        return self._result


def run(consume: Callable[[Task, Tally], Coroutine[Any, Any, None]]) -> None:
    """Run a consumer for one round; the last line it prints is what it did.

    Args:
        consume: returns once the tally is done.
    """
    task = Task(**json.loads(sys.argv[1]))
    tally = Tally(task)
    uvloop.run(consume(task, tally))
    sys.stdout.write(json.dumps(tally.result) + "\n")
