"""Processes that a supervisor left behind when it was itself killed: found in its log, ended before the next start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

TERM_SECONDS = 30.0


def find_orphans(log: Path, commands: Iterable[tuple[str, ...]]) -> list[int]:
    """Return the ids of processes that a dead supervisor's log names and that still run one of these commands.

    A process id can have gone to another program since: hence the look at what it runs.
    """
    if not log.is_file():
        return []
    spawned = re.findall(r"spawned: '[^']+' with pid (\d+)", log.read_text(encoding="utf-8", errors="replace"))
    known = {" ".join(command) for command in commands}
    return [pid for pid in map(int, spawned) if _command_line(pid) in known]


def _command_line(pid: int) -> str:
    file = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").is_file():
        try:
            return file.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def end(pids: Iterable[int]) -> None:
    """End processes that are nobody's children any more: asked first, killed after 30 s."""
    left = [pid for pid in pids if _signal(pid, signal.SIGTERM)]
    until = time.monotonic() + TERM_SECONDS
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = [pid for pid in left if _signal(pid, 0)]
    for pid in left:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
