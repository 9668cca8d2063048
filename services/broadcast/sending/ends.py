"""Writing down how chunks end, and telling it: what ends within a moment shares a write and a call to the broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from services.broadcast.sending.queue import ChunkQueue, End
from shared.mongo import Document, is_unavailable
from shared.outbox import Outbox
from shared.producer import BrokerUnavailable

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.1
"""So long an answer waits for others. What a crash loses of it is asked of LINE again, which answers 409."""
RETRY_SECONDS = 0.25
MOST_UNTOLD = 1000
"""Chunks whose facts wait in memory for the broker; those of more are left to the relay."""


class Ends:
    """Ends chunks in batches. `settle` returns once it is in the store, however long the store is away."""

    def __init__(self, queue: ChunkQueue, outbox: Outbox, linger: float = LINGER_SECONDS) -> None:
        self._queue = queue
        self._outbox = outbox
        self._linger = linger
        self._waiting: list[tuple[End, asyncio.Future[None]]] = []
        self._untold: dict[str, list[Document]] = {}
        self._written = asyncio.Event()
        self._arrived = asyncio.Event()

    async def settle(self, end: End) -> None:
        """Write down an end; where the chunk has ended already, that end stands."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((end, done))
        self._arrived.set()
        await done

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write and tell in the background; whoever settles must have been answered before this is left."""
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._tell())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(self._linger)
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            if await self._until_written([end for end, _ in batch]):
                self._to_tell([end for end, _ in batch])
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _until_written(self, ends: list[End]) -> bool:
        """Return whether each end was written by this call, so that its facts may be told at once."""
        sure = True
        while True:
            try:
                return await self._queue.end(ends) and sure
            except Exception as error:
                if not is_unavailable(error):
                    logger.exception("ends of chunks cannot be written")
                sure = False
                await asyncio.sleep(RETRY_SECONDS)

    def _to_tell(self, ends: list[End]) -> None:
        if len(self._untold) < MOST_UNTOLD:
            self._untold |= {end.chunk.id: list(end.facts) for end in ends}
            self._written.set()

    async def _tell(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            told, self._untold = self._untold, {}
            try:
                await self._outbox.dispatch_all(told)
            except Exception as error:
                # They are on their chunks: the relay tells them when it can.
                if not (is_unavailable(error) or isinstance(error, BrokerUnavailable)):
                    logger.exception("facts of chunks cannot be told")
