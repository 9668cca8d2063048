"""Many seeds, on as many cores as there are."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.simulation.plants import PLANTS
from tests.simulation.run import play, staged

CHUNK = 250


@dataclass
class Tally:
    """What became of many schedules."""

    schedules: int = 0
    virtual_seconds: float = 0.0
    seconds: float = 0.0
    failures: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take another in."""
        self.schedules += other.schedules
        self.virtual_seconds += other.virtual_seconds
        self.failures += other.failures
        self.counts.update(other.counts)


def play_chunk(seeds: range) -> Tally:
    """Play some seeds in this process."""
    tally = Tally()
    with staged() as stage:
        for seed in seeds:
            result = play(stage, seed)
            tally.schedules += 1
            tally.virtual_seconds += result.seconds
            tally.counts.update(result.counts)
            if result.violations:
                tally.failures.append((seed, result.violations))
    return tally


def _chunks(first: int, count: int) -> Iterable[range]:
    return (range(at, min(at + CHUNK, first + count)) for at in range(first, first + count, CHUNK))


def play_many(first: int, count: int) -> Iterator[Tally]:
    """Play seeds from `first` on; yields what was found so far after each chunk, the whole at last."""
    tally, started = Tally(), time.monotonic()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for part in pool.imap_unordered(play_chunk, _chunks(first, count)):
            tally.add(part)
            tally.seconds = time.monotonic() - started
            yield tally


def find(name: str, most: int, first: int = 0) -> tuple[int, tuple[str, ...]] | None:
    """Plant a bug and return how many schedules it took to find it, and what was seen; None where it was not found."""
    with staged() as stage, PLANTS[name](stage):
        for number in range(most):
            result = play(stage, first + number)
            if result.violations:
                return number + 1, result.violations
    return None
