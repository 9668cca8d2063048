"""The pace of one channel, just under LINE's limit in any second; it gives way to refusals."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from shared.clock import monotonic

GRAIN_SECONDS = 0.025
"""Who waits, waits for so long at least, and those behind follow at once: a process that wakes for five calls instead
of for each spends half the time on them."""
CATCH_UP_SECONDS = 0.075
"""For so long a late caller may make good: all the burst there is, fifteen calls at LINE's limit."""
WINDOW_SECONDS = 1.0
"""In no window of this length more is let through than the pace and one, whatever is made good."""
RECOVERY = 0.05
"""Share of the full pace that comes back each second after a refusal."""
STEP_SECONDS = 1.0
"""Refusals within a second count as one, and the pace rests as long after it."""
LEAST = 0.01
"""Share of the full pace that is left however often LINE refuses."""

Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """Lets callers through one by one, in their order, `most` a second and in no second more than one above it.

    It starts with nothing but what is made good, fifteen calls: a sender that takes over does so later than those are
    worth, so that it adds nothing to what the one before let through.
    """

    def __init__(self, most: float, clock: Callable[[], float] = monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._most = most
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._rate = most
        self._seen = clock()
        self._next = self._seen + 1 / most
        self._resting = self._seen
        self._passed: deque[float] = deque(maxlen=int(most) + 1)
        self.waiting = 0
        """How many callers wait now."""

    @property
    def rate(self) -> float:
        """Calls a second at the moment."""
        self._recover()
        return self._rate

    async def take(self) -> None:
        """Wait for this caller's turn."""
        self.waiting += 1
        try:
            async with self._lock:
                while (wait := self._wait()) > 0:
                    await self._sleep(wait)
                now = self._clock()
                self._next = max(self._next, now - CATCH_UP_SECONDS) + 1 / self.rate
                self._passed.append(now)
        finally:
            self.waiting -= 1

    def _wait(self) -> float:
        """Seconds until the next caller's turn; none where its time has come and the last second has room for it."""
        now = self._clock()
        early = self._next - now
        full = self._passed[0] + WINDOW_SECONDS - now if len(self._passed) == self._passed.maxlen else 0.0
        return max(early, GRAIN_SECONDS, full) if early > 0 else full

    def slow_down(self) -> None:
        """LINE refused for the rate: half the pace, after a rest; it comes back by and by."""
        now = self._clock()
        if now < self._resting:
            return
        self._recover()
        self._rate = max(self._most * LEAST, self._rate / 2)
        self._resting = now + STEP_SECONDS
        self._next = max(self._next, self._resting)

    def _recover(self) -> None:
        now = self._clock()
        self._rate = min(self._most, self._rate + (now - self._seen) * self._most * RECOVERY)
        self._seen = now
