"""Moments as people give them to a command: RFC 3339 with an offset, or a date in UTC."""

from __future__ import annotations

from deploy.local.errors import StackError
from shared.clock import read_moment, rfc3339


def asked_moment(text: str | None) -> str | None:
    """Return a moment as an API takes it; None stays None.

    Raises:
        StackError: it is none.
    """
    if text is None:
        return None
    try:
        return rfc3339(read_moment(text))
    except ValueError:
        raise StackError(
            f"{text!r} is no moment with an offset, such as 2026-12-31T23:59:00+08:00, and no date"
        ) from None
