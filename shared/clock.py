"""The one clock: UTC everywhere, zones only at the edges."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]
"""Returns the present moment as an aware UTC datetime; passed in where tests need another one."""


def utcnow() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds of a clock that never jumps: for pacing and deadlines, never for timestamps."""
    return time.monotonic()


def from_millis(millis: int) -> datetime:
    """Turn LINE's `timestamp` (UNIX milliseconds) into an aware UTC datetime."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def to_millis(moment: datetime) -> int:
    """Turn an aware datetime into UNIX milliseconds."""
    return round(moment.timestamp() * 1000)


def rfc3339(moment: datetime) -> str:
    """Format an aware datetime as RFC 3339 with millisecond precision and offset."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_moment(text: str) -> datetime:
    """Read RFC 3339 with an offset, or a date: its first moment in UTC.

    Raises:
        ValueError: it is neither.
    """
    if len(text) == len("2026-12-31"):
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return moment.astimezone(UTC)
