"""Who sends for a channel: one process at a time, which knows by its own clock how long it still may."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from shared.clock import Now, monotonic
from shared.mongo import Database, is_unavailable
from shared.schedule import Lease

logger = logging.getLogger(__name__)

RENEWALS = 4
"""How often a lease is renewed in its life: one late or lost renewal costs nothing."""
MARGIN = 0.2
"""Share of its life that a lease is not trusted at its end, for clocks that run apart."""


class Lead:
    """The lease of one channel, and when it ends by a clock that never jumps.

    A process that was stopped and wakes up finds its lead over before it asks the store. What it may still do under
    the wrong belief is harmless to people: chunks move by compare-and-set and LINE knows their retry keys. The lease
    keeps the pace, which two senders together would exceed.
    """

    def __init__(
        self, database: Database, channel: str, seconds: float, now: Now, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lease = Lease(database, f"sending.{channel}", seconds, now)
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this process may begin a call now."""
        return self._clock() < self._until

    async def take(self) -> bool:
        """Take or prolong the lead; False while another process has it."""
        asked = self._clock()
        taken = await self._lease.take()
        self._until = asked + self._seconds * (1 - MARGIN) if taken else 0.0
        return taken

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Prolong the lead in the background; at the end hand it back, so that another need not wait."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._until = 0.0
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._lease.give_back(), 1)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / RENEWALS)
            try:
                if not await self.take():
                    logger.warning("another process sends for this channel now")
            except Exception as error:
                if not is_unavailable(error):
                    logger.exception("the sending lease cannot be renewed")
                logger.warning("the sending lease is not renewed", extra={"reason": error.__class__.__name__})
