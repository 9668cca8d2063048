"""The log files of a stack, side by side, each line with the name of its process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import Home

POLL_SECONDS = 0.3


def log_files(home: Home, service: str | None) -> list[Path]:
    """Return the logs of a service (all its replicas), of one process, or of all.

    Raises:
        StackError: nothing of that name has a log.
    """
    files = sorted(home.folder("logs").glob("*.log"))
    if service is None:
        return [file for file in files if file.stem != "supervisord"]
    chosen = [file for file in files if file.stem == service or file.stem.rpartition("-")[0] == service]
    if not chosen:
        names = ", ".join(file.stem for file in files) or "none: the stack has not been started yet"
        raise StackError(f"no process {service!r} has a log; there are: {names}")
    return chosen


def show_logs(files: list[Path], lines: int, follow: bool, say: Callable[[str], None]) -> None:
    """Print the last lines of each file, then, with `follow`, what is added to any of them, for ever."""
    width = max((len(file.stem) for file in files), default=0)
    positions: dict[Path, int] = {}
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as opened:
            for line in deque(opened, maxlen=lines):
                say(f"{file.stem:{width}} | {line.rstrip()}")
            positions[file] = opened.tell()
    while follow:
        time.sleep(POLL_SECONDS)
        for file in files:
            positions[file] = _show_new(file, positions[file], width, say)


def _show_new(file: Path, position: int, width: int, say: Callable[[str], None]) -> int:
    """Print what was added after `position`; a file that became shorter was rotated and is read from its start."""
    if not file.is_file():
        return 0
    if file.stat().st_size < position:
        position = 0
    with file.open(encoding="utf-8", errors="replace") as opened:
        opened.seek(position)
        for line in opened:
            say(f"{file.stem:{width}} | {line.rstrip()}")
        return opened.tell()
