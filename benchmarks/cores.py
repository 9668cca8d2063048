"""One core for what is measured, the others for what drives it: pinned, or the two would fight over both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import CannotRun


@dataclass(frozen=True)
class Cores:
    """Which cores belong to whom; the same one where there is only one."""

    subject: frozenset[int]
    others: frozenset[int]

    @classmethod
    def choose(cls) -> Cores:
        """Take the first core for the subject.

        Raises:
            CannotRun: this system has no way to pin a process.
        """
        if not hasattr(os, "sched_setaffinity"):
            raise CannotRun("benchmarks pin processes to cores, which needs Linux")
        first, *rest = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(rest or [first]))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread on these cores for the length of the block; processes started in it stay there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def resident_mb(pid: int) -> float:
    """Return the memory a process holds now, in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def own_peak_mb() -> float:
    """Return the most memory this process has held, in MB."""
    # getrusage's ru_maxrss begins with what the parent held when it started this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used, all threads, user and system."""
    # The name, in brackets, may hold spaces: fields are counted from behind it (proc(5): utime 14, stime 15).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
