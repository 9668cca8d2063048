"""Broadcast's own sender with its ledger in the store and its facts in Kafka, logging as a service does."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.measure import CannotRun
from benchmarks.sends.crowd import HELLO, SLUG, freeze
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
from shared.ids import ulid
from shared.line.client import LineClient
from shared.line.prepared import MOST_RECIPIENTS
from shared.logs import configure_logging
from shared.mongo import Database, connect
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer
from shared.settings import LineSettings
from shared.testing.waiting import eventually

WAIT_SECONDS = 120.0


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


@dataclass(frozen=True)
class Round:
    """What a round is told.

    Args:
        campaigns: how many to send, one after the other, each to all friends.
        per_second, in_flight: None for the service's own.
    """

    mongo_url: str
    kafka_url: str
    line_url: str
    database: str
    channels_file: str
    friends: int
    campaigns: int
    per_second: float | None = None
    in_flight: int | None = None

    @property
    def options(self) -> SendingOptions:
        """How to send."""
        told = {"per_second": self.per_second, "in_flight": self.in_flight}
        return SendingOptions(**{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]


async def send(task: Round) -> dict[str, Any]:
    """Send campaigns to their end; returns a round's sample, its items recipients."""
    client = connect(task.mongo_url)
    database = client[task.database]
    names = [f"c{ulid()}" for _ in range(task.campaigns + 1)]
    for name in names:
        await freeze(database, name, MOST_RECIPIENTS, task.friends)
    registry = CollectorRegistry()
    channels = load_channels(Path(task.channels_file))
    producer = Producer(task.kafka_url, "benchmark", registry=registry)
    await producer.start()
    running, queue = Running(), ChunkQueue(database)
    outbox = Outbox(database[CHUNKS], producer, None, OutboxMetrics(registry))
    ends = Ends(queue, outbox)
    settings = LineSettings(line_api_url=task.line_url, line_data_url=task.line_url)
    async with LineClient(settings, channels, registry, connections=task.options.in_flight) as line:
        tools = Tools(queue, running, line.sending, ends, SendingMetrics(registry), task.options, utcnow)
        async with Senders(database, channels, tools, Chunks(database), FriendsOnly(database)).running():
            await _sent(running, database, names[:1])
            started, cpu = time.perf_counter(), time.process_time()
            await _sent(running, database, names[1:])
            took, used = time.perf_counter() - started, time.process_time() - cpu
    await producer.close()
    chunks = await _all_accepted(database, names[1:])
    client.close()
    recipients = task.campaigns * task.friends
    return {"items": recipients, "seconds": took, "cpu_seconds": used, "notes": {"chunks": chunks}}


async def _sent(running: Running, database: Database, campaigns: Sequence[str]) -> None:
    """Send campaigns, until every chunk has ended and is told."""
    running.begin(campaigns)
    await asyncio.wait_for(running.finished.wait(), WAIT_SECONDS)

    async def told() -> bool:
        return await database[CHUNKS].find_one({"pending_since": {"$exists": True}}, {"_id": 1}) is None

    await eventually(told, WAIT_SECONDS)


async def _all_accepted(database: Database, campaigns: Sequence[str]) -> int:
    tallies = [await Chunks(database).counts(campaign) for campaign in campaigns]
    if any(set(tally.chunks) != {"accepted"} for tally in tallies):
        raise CannotRun(f"not all chunks were accepted: {[dict(tally.chunks) for tally in tallies]}")
    return sum(tally.chunks["accepted"] for tally in tallies)


if __name__ == "__main__":
    configure_logging("broadcast", "INFO")
    result = uvloop.run(send(Round(**json.loads(sys.argv[1]))))
    sys.stdout.write(json.dumps(result) + "\n")
