"""Topics full of LINE events, byte for byte as ingest writes them, for consumers to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import orjson
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import CollectorRegistry

from deploy.local.probes import quiet_client
from deploy.topics.job import apply_topics
from services.ingest.webhook.model import envelope, prepare, trace
from shared.clock import rfc3339, to_millis, utcnow
from shared.ids import ulid
from shared.producer import Producer, Record
from shared.testing.webhooks import DESTINATION
from shared.topics import DAY_MS, Topic, dlq_topic, retry_topic

SERVICE = "benchmark"
SLUG = "bench"
CHUNK = 5000
SEND_SECONDS = 60.0
SPREAD_MS = DAY_MS
KINDS: tuple[dict[str, Any], ...] = (
    *({"type": "message", "message": {"type": "text", "id": "1", "text": "想預約維修"}} for _ in range(6)),
    {"type": "message", "message": {"type": "sticker", "id": "2", "packageId": "1", "stickerId": "2"}},
    {"type": "postback", "postback": {"data": "a=menu.open&page=2"}},
    {"type": "follow", "follow": {"isUnblocked": False}},
    {"type": "unfollow"},
)
"""What a day of an account looks like, roughly."""


def line_events(topic: str, count: int, users: int) -> Iterator[Record]:
    """Yield events of so many users in turn, in order over the last 24 hours, each with an id of its own.

    The n-th event carries `"n": n`, by which a reader can tell order within a key.
    """
    now = utcnow()
    beginning = envelope(SLUG, DESTINATION, rfc3339(now))
    traced = trace(None)
    start, run = to_millis(now) - SPREAD_MS, ulid()
    for number in range(count):
        event = KINDS[number % len(KINDS)] | {
            "webhookEventId": f"{run}{number:08d}",
            "deliveryContext": {"isRedelivery": False},
            "timestamp": start + number * SPREAD_MS // count,
            "source": {"type": "user", "userId": f"U{number % users:032x}"},
            "replyToken": run,
            "mode": "active",
            "n": number,
        }
        ready = prepare(orjson.dumps(event), SLUG, beginning, to_millis(now), traced)
        yield Record(topic, ready.key, ready.value, ready.headers)


@contextmanager
def filled_topic(kafka_url: str, partitions: int, records: int, users: int) -> Iterator[str]:
    """Make a topic and fill it; it and the measured consumer's other topics are deleted at the end."""
    name = f"{SERVICE}.{ulid().lower()}"
    names = [name, retry_topic(SERVICE), dlq_topic(SERVICE)]
    topics = [Topic(name, partitions, DAY_MS), *(Topic(other, 1, DAY_MS) for other in names[1:])]
    asyncio.run(apply_topics(kafka_url, topics=topics))
    try:
        with quiet_client():
            asyncio.run(_fill(kafka_url, line_events(name, records, users)))
        yield name
    finally:
        asyncio.run(_delete(kafka_url, names))


async def _fill(kafka_url: str, records: Iterator[Record]) -> None:
    producer = Producer(kafka_url, SERVICE, registry=CollectorRegistry())
    await producer.start()
    try:
        while chunk := list(islice(records, CHUNK)):
            await producer.send_all(chunk, SEND_SECONDS)
    finally:
        await producer.close()


async def _delete(kafka_url: str, names: Sequence[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url.split(","))
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()
