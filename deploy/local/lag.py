"""How far each consumer group is behind, asked of Kafka."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.probes import quiet_client
from shared.kafka_access import kafka_servers


@dataclass(frozen=True)
class Lag:
    """Records that a group has yet to finish of one topic, and the partitions they are in."""

    group: str
    topic: str
    records: int
    partitions: int


def consumer_lag(kafka_url: str, services: Iterable[str]) -> list[Lag]:
    """Return the lag of the groups of these services, by topic. Not to be called where an event loop runs.

    A group is named after its service, or starts with its name and a full stop.

    Raises:
        KafkaError, OSError: Kafka does not answer.
    """
    with quiet_client():
        return asyncio.run(_lag(kafka_url, tuple(services)))


async def _lag(kafka_url: str, services: tuple[str, ...]) -> list[Lag]:
    admin = AIOKafkaAdminClient(**kafka_servers(kafka_url), request_timeout_ms=5000)
    consumer = AIOKafkaConsumer(**kafka_servers(kafka_url), enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        groups = sorted(name for name, *_ in await admin.list_consumer_groups() if name.split(".")[0] in services)
        return [lag for group in groups for lag in await _group(admin, consumer, group)]
    finally:
        await consumer.stop()
        await admin.close()


async def _group(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str) -> list[Lag]:
    done = {tp: meta.offset for tp, meta in (await admin.list_consumer_group_offsets(group)).items()}
    topics = {tp.topic for tp in done}
    everywhere = [TopicPartition(topic, n) for topic in topics for n in await _partitions(consumer, topic)]
    ends = await consumer.end_offsets(everywhere) if everywhere else {}
    starts = await consumer.beginning_offsets(everywhere) if everywhere else {}
    behind: dict[str, list[int]] = defaultdict(list)
    for place in everywhere:
        behind[place.topic].append(max(0, ends[place] - done.get(place, starts[place])))
    return [
        Lag(group, topic, sum(counts), sum(1 for count in counts if count)) for topic, counts in sorted(behind.items())
    ]


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    """Return the partitions of a topic that the group may not have committed anything of yet."""
    await consumer._client.add_topic(topic)
    return set(consumer.partitions_for_topic(topic) or ())
