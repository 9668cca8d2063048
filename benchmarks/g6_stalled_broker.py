"""G6: ingest's memory while the broker stands still for a minute under load: at the end ÷ after twenty seconds.

Webhooks go on arriving on 512 connections and none may be answered 200; afterwards all is well again by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.cores import resident_mb
from benchmarks.goals import Benchmark, Goal
from benchmarks.ingest import WARM_SECONDS, ingest
from benchmarks.load.generators import Answers, overload, saturate
from benchmarks.load.webhooks import write_requests
from benchmarks.measure import CannotRun, Contender, Outcome, Sample
from benchmarks.processes import Served

STALL_SECONDS = 60.0
FULL_SECONDS = 20.0
"""By then all that may be on its way is."""
EVENTS = 10
CONNECTIONS = 512
RECOVERY_SECONDS = 30.0

GOAL = Goal(
    "G6",
    "memory: ingest after 60 s of a stalled broker under load ÷ after 20 s",
    seen="–",
    good=1.2,
    very_good=1.05,
    cost=True,
)


def run(bench: Bench) -> Outcome:
    """Measure it once.

    Raises:
        CannotRun: the broker is not one that may be stopped, or ingest does not come back.
    """
    if bench.kafka is None:
        raise CannotRun("it freezes the broker: leave KAFKA_URL unset, so that it has one of its own")
    with ingest(bench) as server:
        requests = write_requests(bench.folder, EVENTS, server.port)
        warm = saturate(server, requests, WARM_SECONDS, bench.cores.others)
        before, watched = resident_mb(server.pid), _Watched(server)
        bench.kafka.pause()
        try:
            with watched.watching():
                answers = overload(server, requests, STALL_SECONDS, bench.cores.others, CONNECTIONS)
        finally:
            bench.kafka.resume()
        back = _recovered(bench, server, requests)
    return _outcome(before, watched, answers, warm, back)


class _Watched:
    """Memory over time, in MB by seconds since the start."""

    def __init__(self, server: Served) -> None:
        self._server = server
        self._ended = threading.Event()
        self.seen: list[tuple[float, float]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look every half second for the length of the block."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        started = time.monotonic()
        while not self._ended.wait(0.5):
            self.seen.append((time.monotonic() - started, resident_mb(self._server.pid)))

    def most(self, since: float, until: float) -> float:
        """Return the most between two moments."""
        return max(held for at, held in self.seen if since <= at <= until)


def _recovered(bench: Bench, server: Served, requests: Path) -> float:
    """Return the seconds until webhooks are taken again."""
    started = time.monotonic()
    while time.monotonic() - started < RECOVERY_SECONDS:
        answers = overload(server, requests, 1.0, bench.cores.others, 8)
        if answers.answered > answers.refused:
            return time.monotonic() - started
    raise CannotRun(f"ingest takes no webhooks {RECOVERY_SECONDS:g} s after the broker is back")


def _outcome(before: float, watched: _Watched, answers: Answers, warm: Sample, back: float) -> Outcome:
    full, end = watched.most(0, FULL_SECONDS), watched.most(STALL_SECONDS - FULL_SECONDS, STALL_SECONDS + 1)
    ratio = end / full
    taken = answers.answered - answers.refused
    notes = {"before_mb": before, "full_mb": full, "end_mb": end, "refused": answers.refused, "taken": taken}
    remark = f"{before:.0f} → {full:.0f} → {end:.0f} MB; back in {back:.0f} s"
    contender = Contender.of("ingest", [warm])
    return Outcome(ratio, ratio, ratio, contender, None, [notes | {"back_seconds": back}], notes | {"remark": remark})


BENCHMARK = Benchmark(GOAL, run)
