"""Broadcast's sender as the service wires it, campaigns kept in memory, its ledger in the store, facts in Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.measure import CannotRun
from benchmarks.sends.place import HELLO, SLUG, Place
from services.broadcast.sending.calls import SendingOptions, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.documents import CHUNKS
from services.broadcast.sending.ends import Ends
from services.broadcast.sending.metrics import SendingMetrics
from services.broadcast.sending.model import PauseReason
from services.broadcast.sending.orders import Content, Order
from services.broadcast.sending.queue import ChunkQueue
from services.broadcast.sending.reach import FriendsOnly
from services.broadcast.sending.senders import Senders
from shared.channels import load_channels
from shared.clock import utcnow
from shared.line.client import LineClient
from shared.mongo import Database, connect
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer
from shared.settings import LineSettings


class Running:
    """Campaigns, all running from when they are begun."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self.finished = asyncio.Event()

    def begin(self, campaigns: Sequence[str]) -> None:
        """Let campaigns run."""
        self.finished.clear()
        self._orders = {campaign: Order(campaign, SLUG, 10) for campaign in campaigns}

    async def running(self) -> Sequence[Order]:
        """See `Orders`."""
        return list(self._orders.values())

    async def content(self, campaign: str) -> Content:
        """See `Orders`."""
        return Content(HELLO, unit=campaign)

    async def pause(self, campaign: str, reason: PauseReason) -> None:
        """A campaign that pauses spoils the round."""
        raise CannotRun(f"a campaign was paused: {reason}")

    async def finish(self, campaign: str) -> None:
        """See `Orders`."""
        self._orders.pop(campaign, None)
        if not self._orders:
            self.finished.set()


@asynccontextmanager
async def sending(place: Place, running: Running, options: SendingOptions) -> AsyncIterator[Database]:
    """Send what runs for the length of the block; gives the database."""
    client = connect(place.mongo_url)
    database = client[place.database]
    registry, channels = CollectorRegistry(), load_channels(Path(place.channels_file))
    producer = Producer(place.kafka_url, "benchmark", registry=registry)
    await producer.start()
    queue = ChunkQueue(database)
    ends = Ends(queue, Outbox(database[CHUNKS], producer, None, OutboxMetrics(registry)))
    settings = LineSettings(line_api_url=place.line_url, line_data_url=place.line_url)
    async with LineClient(settings, channels, registry, connections=options.in_flight) as line:
        tools = Tools(queue, running, line.sending, ends, SendingMetrics(registry), options, utcnow)
        async with Senders(database, channels, tools, Chunks(database), FriendsOnly(database)).running():
            yield database
    await producer.close()
    client.close()
