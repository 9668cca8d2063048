"""The leased loop: periodic work that one process at a time does, where several run (design §4, §5).

A lease only saves work; each step it guards must itself be safe to do twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from shared.clock import Now, utcnow
from shared.ids import ulid
from shared.mongo import Database, DuplicateKeyError, is_unavailable
from shared.producer_lanes import BrokerUnavailable

logger = logging.getLogger(__name__)

COLLECTION = "leases"
GIVE_BACK_SECONDS = 2.0


class Lease:
    """A named lease in the service's database, taken by compare-and-set on its expiry."""

    def __init__(self, database: Database, name: str, seconds: float, now: Now = utcnow) -> None:
        self._leases = database[COLLECTION]
        self._name = name
        self._seconds = seconds
        self._now = now
        self._owner = ulid()
        self._taking: asyncio.Task[bool] | None = None

    async def take(self) -> bool:
        """Take or prolong the lease; False while another process holds it."""
        # A cancelled caller does not call the write back: `give_back` must come after it, or the lease outlives it.
        self._taking = asyncio.create_task(self._take())
        return await asyncio.shield(self._taking)

    async def _take(self) -> bool:
        now = self._now()
        mine_or_over = {"_id": self._name, "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]}
        hold = {"$set": {"owner": self._owner, "until": now + timedelta(seconds=self._seconds)}}
        result = await self._leases.update_one(mine_or_over, hold)
        if result.matched_count:
            return True
        try:
            await self._leases.insert_one({"_id": self._name, **hold["$set"]})
        except DuplicateKeyError:
            return False
        return True

    async def give_back(self) -> None:
        """End the lease at once, so that another process need not wait for its expiry."""
        if self._taking is not None:
            await asyncio.gather(self._taking, return_exceptions=True)
        await self._leases.delete_one({"_id": self._name, "owner": self._owner})


@contextlib.asynccontextmanager
async def repeating(name: str, every: float, step: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run a step in the background about every `every` seconds (with jitter), whatever becomes of a single run."""

    async def loop() -> None:
        while True:
            try:
                await step()
            except Exception as error:
                if is_unavailable(error) or isinstance(error, BrokerUnavailable):
                    logger.warning("waiting for a server", extra={"loop": name, "reason": error.__class__.__name__})
                else:
                    logger.exception("a background step failed", extra={"loop": name})
            await asyncio.sleep(every * random.uniform(0.8, 1.2))  # noqa: S311

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def repeating_leased(
    lease: Lease, name: str, every: float, step: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Like `repeating`, but only while this process holds the lease."""

    async def leased() -> None:
        if await lease.take():
            await step()

    async with repeating(name, every, leased):
        yield
    with contextlib.suppress(Exception):
        await asyncio.wait_for(lease.give_back(), GIVE_BACK_SECONDS)
