"""Stops a consumer when too large a share of recent records is bad (design §5, §12)."""

from __future__ import annotations

from collections import deque


class Breaker:
    """Open at `bad` bad records of the last `window`: a bad deploy must not drain a topic into the dead letters.

    A bad record is noted before it is written there, so that the one which opens the breaker stays where it is.

    It stays open until the process is started anew, which is what the repair of a bad deploy does anyhow.
    """

    def __init__(self, window: int = 25, bad: int = 20) -> None:
        self._recent: deque[bool] = deque(maxlen=window)
        self._bad = bad
        self._open = False

    @property
    def open(self) -> bool:
        """Whether the consumer is stopped."""
        return self._open

    def note(self, *, bad: bool, count: int = 1) -> None:
        """Note the outcome of records."""
        self._recent.extend([bad] * min(count, self._recent.maxlen or count))
        if sum(self._recent) >= self._bad:
            self._open = True
