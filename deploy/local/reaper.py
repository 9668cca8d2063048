"""Ends what a test run leaves behind when it is itself killed.

`python -m deploy.local.reaper` reads process ids from standard input, a line each (`-PID` takes one back). When the
input ends, because the parent ended in whatever way, it ends the processes that are left and goes.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE_SECONDS = 10.0


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Follow the parent, then end its children."""
    pids: set[int] = set()
    for line in sys.stdin:
        pid = int(line)
        if pid > 0:
            pids.add(pid)
        else:
            pids.discard(-pid)
    for pid in pids:
        _signal(pid, signal.SIGCONT)
        _signal(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while pids and time.monotonic() < until:
        pids = {pid for pid in pids if _signal(pid, 0)}
        time.sleep(0.1)
    for pid in pids:
        _signal(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
