"""One Kafka broker factory, and the few things that need a bare client: reading a topic to its end, admin, lag."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from shared.clock import monotonic
from shared.consumer.records import Record, read_record
from shared.kafka_access import kafka_servers

logger = logging.getLogger(__name__)

MAX_RECORD_BYTES = 2 * 1024 * 1024

COORDINATOR_SECONDS = 20.0
_Answer = TypeVar("_Answer")

KAFKA_TROUBLE = (KafkaError, OSError, asyncio.TimeoutError)
"""What a client raises while the broker cannot be reached."""


_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


def create_broker(kafka_url: str, client_id: str) -> KafkaBroker:
    """Return the FastStream broker of a process: durable in what it publishes, creating no topics, logging nothing.

    `acks=all` and idempotence because the library's defaults acknowledge before replication and may double a record.
    """
    return KafkaBroker(
        kafka_url.split(","),
        security=_security(kafka_servers(kafka_url)),
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_request_size=MAX_RECORD_BYTES,
        allow_auto_create_topics=False,
        graceful_timeout=5.0,
        apply_types=False,
        logger=None,
    )


def _security(options: Mapping[str, Any]) -> BaseSecurity | None:
    """Say in FastStream's words how Kafka lets us in."""
    context, protocol = options.get("ssl_context"), options.get("security_protocol")
    if protocol is None:
        return None
    kind = _SASL.get(options.get("sasl_mechanism", ""))
    if kind is None:
        return BaseSecurity(ssl_context=context, use_ssl=True)
    user, password = options["sasl_plain_username"], options["sasl_plain_password"]
    return kind(user, password, ssl_context=context, use_ssl=context is not None)


async def kafka_problem(kafka_url: str, topics: Sequence[str]) -> str | None:
    """Say what is missing of Kafka: None where it answers and has these topics."""
    client = AIOKafkaAdminClient(**kafka_servers(kafka_url), request_timeout_ms=3000)
    try:
        await client.start()
        present = set(await client.list_topics())
    except KAFKA_TROUBLE as error:
        return f"Kafka does not answer ({error.__class__.__name__})"
    finally:
        await client.close()
    missing = sorted(set(topics) - present)
    return f"topics are missing: {', '.join(missing)}; run the topic job" if missing else None


async def until_kafka(kafka_url: str, topics: Sequence[str], pause: float = 0.5) -> None:
    """Wait until Kafka answers and has the topics: nothing creates them on the way."""
    while (problem := await kafka_problem(kafka_url, topics)) is not None:
        logger.warning("waiting for Kafka", extra={"reason": problem})
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)


@asynccontextmanager
async def reading(kafka_url: str, topic: str) -> AsyncIterator[Any]:
    """A consumer without a group, at the beginning of every partition of a topic, committing nothing.

    Raises:
        KafkaError: also where the broker does not know the topic just now, as right after it froze: an empty reading
            would pass for an empty topic.
    """
    consumer = AIOKafkaConsumer(**kafka_servers(kafka_url), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        await consumer._client.add_topic(topic)
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise UnknownTopicOrPartitionError(topic)
        consumer.assign([TopicPartition(topic, partition) for partition in sorted(partitions)])
        yield consumer
    finally:
        await consumer.stop()


async def read_to_end(consumer: Any) -> AsyncIterator[Record]:
    """Yield every record that was there when the call was made, in order within a partition."""
    assigned = consumer.assignment()
    ends = await consumer.end_offsets(assigned)
    for tp in assigned:
        while await consumer.position(tp) < ends[tp]:
            for raw in (await consumer.getmany(tp, timeout_ms=500)).get(tp, []):
                if raw.offset < ends[tp]:
                    yield read_record(raw)


async def read_from(kafka_url: str, topic: str, partition: int, offset: int) -> Record | None:
    """Return the record at an offset, or None where there is none (any more)."""
    async with reading(kafka_url, topic) as consumer:
        place = TopicPartition(topic, partition)
        first = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        if not first <= offset < end:
            return None
        consumer.seek(place, offset)
        for raw in (await consumer.getmany(place, timeout_ms=5000, max_records=1)).get(place, []):
            return read_record(raw) if raw.offset == offset else None
        return None


Places = Mapping[tuple[str, int], int]
"""Offsets by topic and partition."""


async def group_offsets(kafka_url: str, group: str) -> Places:
    """Return what a consumer group has committed.

    Raises:
        KafkaError, OSError: Kafka does not answer.
    """
    async with _administering(kafka_url) as admin:
        committed = await _patiently(lambda: admin.list_consumer_group_offsets(group))
    return {(place.topic, place.partition): meta.offset for place, meta in committed.items() if meta.offset >= 0}


async def group_runs(kafka_url: str, group: str) -> bool:
    """Whether a consumer group has members: processes that consume, or were killed less than a session ago.

    Raises:
        KafkaError, OSError: Kafka does not answer.
    """
    async with _administering(kafka_url) as admin:
        [answer] = await _patiently(lambda: admin.describe_consumer_groups([group]))
    return any(state not in {"Empty", "Dead"} for _, _, state, *_ in answer.groups)


async def log_bounds(kafka_url: str, places: Iterable[tuple[str, int]]) -> tuple[Places, Places]:
    """Return the first offset that is kept and the next one to be written, of each partition.

    Raises:
        KafkaError, OSError: Kafka does not answer, or does not know a topic.
    """
    wanted = [TopicPartition(*place) for place in places]
    if not wanted:
        return {}, {}
    consumer = AIOKafkaConsumer(**kafka_servers(kafka_url), enable_auto_commit=False)
    try:
        await consumer.start()
        first, end = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
    finally:
        await consumer.stop()
    return {(p.topic, p.partition): first[p] for p in wanted}, {(p.topic, p.partition): end[p] for p in wanted}


async def commit_for(kafka_url: str, group: str, offsets: Places) -> None:
    """Set what a group without members has committed, so that it goes on from there.

    Raises:
        KafkaError, OSError: Kafka does not answer, or the group has members.
    """
    consumer = AIOKafkaConsumer(**kafka_servers(kafka_url), group_id=group, enable_auto_commit=False)
    places = {TopicPartition(*place): offset for place, offset in offsets.items()}
    try:
        await consumer.start()
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()


@asynccontextmanager
async def _administering(kafka_url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**kafka_servers(kafka_url), request_timeout_ms=5000)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def _patiently(call: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Call again for a while: a group's coordinator is nowhere while it moves, or is first made."""
    until = monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            return await call()
        except KafkaError as error:
            if not error.retriable or monotonic() >= until:
                raise
        await asyncio.sleep(0.3)
