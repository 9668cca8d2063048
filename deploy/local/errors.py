"""What can go wrong on the local stack, said so that a person can act on it."""

from __future__ import annotations

from pathlib import Path

LAST_LINES = 15


class StackError(Exception):
    """The stack cannot do what was asked. The text says which process, why, and what to do."""


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """Return the end of a log file, indented, or a line that says there is none."""
    if not log.is_file():
        return f"  (no log at {log})"
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 16_384))
        lines = file.read().decode("utf-8", "replace").rstrip().splitlines()[-count:]
    if not lines:
        return f"  ({log} is empty)"
    return "\n".join(f"  | {line}" for line in lines)
