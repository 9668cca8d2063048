"""Sending for all channels: each process tries to lead those that have work; one leads each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from services.broadcast.sending.calls import DRAIN_SECONDS, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.facts import failed_facts
from services.broadcast.sending.lead import Lead
from services.broadcast.sending.model import Chunk
from services.broadcast.sending.orders import Reach
from services.broadcast.sending.queue import End
from services.broadcast.sending.sender import ChannelSender
from shared.channels import Channels
from shared.mongo import Database, is_unavailable
from shared.schedule import repeating

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often each process looks for work: so long a new campaign, or one whose sender has died, waits at most."""
MOST_WITHDRAWN = 100


class Senders:
    """The senders of a process."""

    def __init__(self, database: Database, channels: Channels, tools: Tools, chunks: Chunks, reach: Reach) -> None:
        self._database = database
        self._channels = channels
        self._tools = tools
        self._chunks = chunks
        self._reach = reach
        self._leading: dict[str, asyncio.Task[None]] = {}
        self._senders: dict[str, ChannelSender] = {}
        self._stopping = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send in the background; at the end calls under way are answered and written down, and leads handed on."""
        async with self._tools.ends.running():
            try:
                async with repeating("sending", LOOK_SECONDS, self._look):
                    yield
            finally:
                await self._stop()

    async def _look(self) -> None:
        """Lead channels that have work and nobody leads; end what was withdrawn and left."""
        for channel in {order.channel for order in await self._tools.orders.running()}:
            if channel not in self._leading and self._channels.get(channel) is not None:
                self._leading[channel] = asyncio.create_task(self._lead(channel))
        for chunk in await self._tools.queue.withdrawn(self._tools.now(), MOST_WITHDRAWN):
            await self._settle(chunk)

    async def _lead(self, channel: str) -> None:
        lead = Lead(self._database, channel, self._tools.options.lease_seconds, self._tools.now)
        try:
            if self._stopping or not await lead.take():
                return
            async with lead.kept():
                sender = ChannelSender(channel, self._tools, self._chunks, self._reach, lead)
                self._senders[channel] = sender
                if not self._stopping:
                    await sender.run()
        except Exception as error:
            if is_unavailable(error):
                logger.warning("sending waits for the store", extra={"channel": channel})
            else:
                logger.exception("sending for a channel failed", extra={"channel": channel})
        finally:
            self._senders.pop(channel, None)
            self._leading.pop(channel, None)

    async def _settle(self, chunk: Chunk) -> None:
        """End a cancelled campaign's chunk whose sender died, without asking LINE: that could send it."""
        if chunk.attempt is None or not chunk.attempt.doubted:
            await self._tools.queue.cancel(chunk)
            return
        at = self._tools.now()
        facts = failed_facts(chunk, at, recipients=chunk.attempt.recipients, end="unknown")
        await self._tools.ends.settle(End(chunk, "unknown", at, facts))
        self._tools.metrics.chunks.labels("unknown").inc()

    async def _stop(self) -> None:
        self._stopping = True
        for sender in self._senders.values():
            sender.stop()
        tasks = list(self._leading.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS + 1)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
