"""One consumer test's corner of the shared broker: a topic and a group of its own, seen from inside and outside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from deploy.topics.job import apply_topics
from shared.consumer import Consumer, ConsumerOptions, Record
from shared.consumer.claims import Claims
from shared.ids import ulid
from shared.producer import Producer
from shared.producer import Record as Outgoing
from shared.topics import Topic, dlq_topic, retry_topic

Handler = Callable[[Sequence[Record]], Awaitable[None]]

SERVICE = "lab"
"""Whose dead letters and retry topic the labs use: no real service's, whose tests write there."""
PARTITIONS = 6
SESSION_MS = 1500


class Lab:
    """A topic of six partitions and a group, both for one test."""

    def __init__(self, kafka_url: str, sender: Producer, claims: Claims | None = None) -> None:
        self.kafka_url = kafka_url
        self.sender = sender
        self.claims = claims
        self.topic = f"lab.{ulid().lower()}"
        self.group = f"{self.topic}.group"

    async def prepare(self) -> None:
        """Make the topic, and once a broker the service's own."""
        own = [Topic(dlq_topic(SERVICE), 3), Topic(retry_topic(SERVICE), 3)]
        await apply_topics(self.kafka_url, topics=[Topic(self.topic, PARTITIONS), *own])

    async def send(self, *messages: tuple[str, str]) -> None:
        """Publish (key, value) pairs."""
        records = [Outgoing(self.topic, key.encode(), value.encode(), ()) for key, value in messages]
        await self.sender.send_all(records, timeout=30)

    @contextlib.asynccontextmanager
    async def consuming(self, handler: Handler, **options: Any) -> AsyncIterator[Consumer]:
        """Run a member of the group in this process; its session ends after 1.5 s without a heartbeat."""
        options = {"group": self.group, "session_timeout_ms": SESSION_MS, **options}
        consumer = Consumer(
            ConsumerOptions(SERVICE, self.kafka_url, **options),
            {self.topic: handler},
            self.sender,
            self.claims,
            None,
            CollectorRegistry(),
        )

        async def nothing() -> None:
            return

        async with consumer.running(nothing):
            yield consumer

    async def committed(self) -> dict[int, int]:
        """Return the group's committed offsets by partition, asked of the broker."""
        async with self._admin() as admin:
            offsets = await admin.list_consumer_group_offsets(self.group)
        return {
            place.partition: int(meta.offset)
            for place, meta in offsets.items()
            if place.topic == self.topic and meta.offset >= 0
        }

    async def members(self) -> dict[str, bytes]:
        """Return the group's members and what each was given, asked of the broker."""
        async with self._admin() as admin:
            (answer,) = await admin.describe_consumer_groups([self.group])
        ((_, _, state, _, _, members, *_),) = answer.groups
        return {member[0]: bytes(member[4]) for member in members} if state == "Stable" else {}

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka_url)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


def rebalances(consumer: Consumer) -> float:
    """Return how often the group gave this member its partitions."""
    return float(consumer.metrics.rebalances._value.get())


def owned(consumer: Consumer) -> float:
    """Return how many partitions this member has, the retry topic's among them."""
    return float(consumer.metrics.partitions._value.get())
