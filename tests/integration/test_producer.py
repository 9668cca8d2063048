"""The producer on the real broker: acknowledged means stored, in order, bounded, and back after anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry, generate_latest

from deploy.local.servers import Server, Servers
from shared import producer as chassis
from shared.broker import read_to_end, reading
from shared.ids import ulid
from shared.producer import BrokerUnavailable, Producer, Record, RecordTooLarge
from shared.testing.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def topic(kafka_url: str) -> str:
    """Return a topic of the test's own, of three partitions."""
    name = f"test.{ulid().lower()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 3, 1)])
    finally:
        await admin.close()
    return name


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def producer(kafka_url: str, registry: CollectorRegistry) -> AsyncIterator[Producer]:
    made = Producer(kafka_url, "test", registry=registry, max_records=400, max_bytes=1_000_000)
    await made.start()
    yield made
    await made.close(5)


@pytest.fixture
def kafka(servers: Servers, kafka_url: str) -> Iterator[Server]:
    """The broker, to be stopped; up again afterwards."""
    if servers.kafka is None:
        pytest.skip("the Kafka that was given is not ours to stop")
    yield servers.kafka
    servers.kafka.resume()
    if servers.kafka.pid is None:
        servers.kafka.start()


def records(topic: str, *names: str, key: str = "k") -> list[Record]:
    return [Record(topic, key.encode(), name.encode(), (("event-id", name.encode()),)) for name in names]


async def stored(kafka_url: str, topic: str) -> list[str]:
    async with reading(kafka_url, topic) as consumer:
        return [(record.value or b"-").decode() async for record in read_to_end(consumer)]


async def sends(producer: Producer, topic: str, name: str) -> bool:
    try:
        await producer.send_all(records(topic, name), 1.0)
    except BrokerUnavailable:
        return False
    return True


async def test_acknowledged_records_are_there_in_order_with_headers(
    producer: Producer, kafka_url: str, topic: str
) -> None:
    names = [f"{number:03}" for number in range(150)]

    for start in range(0, 150, 50):
        await producer.send_all(records(topic, *names[start : start + 50]), 10)

    assert await stored(kafka_url, topic) == names
    async with reading(kafka_url, topic) as consumer:
        first, *_ = [record async for record in read_to_end(consumer)]
    assert (first.key, dict(first.headers)) == (b"k", {"event-id": b"000"})


async def test_concurrent_callers_keep_their_own_order(producer: Producer, kafka_url: str, topic: str) -> None:
    async def caller(name: str) -> None:
        for number in range(20):
            await producer.send_all(records(topic, f"{name}-{number:02}", key=name), 10)

    await asyncio.gather(*(caller(name) for name in "abcdefgh"))

    values = await stored(kafka_url, topic)
    for name in "abcdefgh":
        assert [value for value in values if value.startswith(name)] == [f"{name}-{number:02}" for number in range(20)]


async def test_a_tombstone_and_a_record_without_a_key_are_stored(
    producer: Producer, kafka_url: str, topic: str
) -> None:
    await producer.send_all([Record(topic, b"gone", None), Record(topic, None, b"keyless")], 10)

    assert sorted(await stored(kafka_url, topic)) == ["-", "keyless"]


async def test_nothing_to_send_is_done_at_once(producer: Producer) -> None:
    await producer.send_all([], 0.0)


async def test_a_record_that_can_never_be_stored_is_refused_before_anything_is_sent(
    producer: Producer, kafka_url: str, topic: str
) -> None:
    with pytest.raises(RecordTooLarge):
        await producer.send_all([*records(topic, "small"), Record(topic, b"k", b"x" * 2_000_000)], 10)
    assert await stored(kafka_url, topic) == []


async def test_an_unknown_topic_is_no_hanging_caller(producer: Producer) -> None:
    started = time.monotonic()

    with pytest.raises(BrokerUnavailable):
        await producer.send_all(records("no.such.topic", "x"), 0.5)

    assert time.monotonic() - started < 1.0


async def test_what_is_on_its_way_is_bounded_and_a_full_lane_stops_only_itself(
    producer: Producer, kafka: Server, topic: str, kafka_url: str
) -> None:
    await producer.send_all(records(topic, "before"), 10)
    kafka.pause()
    with pytest.raises(BrokerUnavailable, match="in time"):
        await producer.send_all(records(topic, *(f"n{number}" for number in range(100))), 0.1)

    started = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="one partition"):
        await producer.send_all(records(topic, "over"), 5)
    with pytest.raises(BrokerUnavailable, match="too much"):
        await producer.send_all([Record(topic, b"other", b"x" * 990_000)], 5)
    assert time.monotonic() - started < 0.5

    kafka.resume()
    await eventually(lambda: sends(producer, topic, "after"))
    values = await stored(kafka_url, topic)
    assert values[0] == "before"
    assert "over" not in values
    assert len(values) == len(set(values))


async def test_a_stalled_client_is_replaced_and_its_callers_are_told(
    producer: Producer,
    kafka: Server,
    topic: str,
    registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis, "STALL_SECONDS", 1.0)
    await producer.send_all(records(topic, "before"), 10)
    kafka.pause()

    with pytest.raises(BrokerUnavailable, match="given up"):
        await send_until_it_fails(producer, topic)
    assert await producer.problem() is not None

    kafka.resume()
    await eventually(lambda: sends(producer, topic, "after"), 40)
    assert await producer.problem() is None
    assert "producer_restarts_total 1.0" in generate_latest(registry).decode()


async def send_until_it_fails(producer: Producer, topic: str) -> None:
    """Send one by one: a broker that is told to stop may still acknowledge a record or two."""
    for number in range(100):
        await producer.send_all(records(topic, f"held-{number}"), 10)


async def test_a_refused_record_is_not_the_end(
    producer: Producer, kafka_url: str, topic: str, registry: CollectorRegistry
) -> None:
    """A refused batch leaves a gap in an idempotent client's sequence: only a new client can go on."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    await producer.send_all(records(topic, "before"), 10)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    config = {"max.message.bytes": "2000"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])
    await admin.close()

    async def refused() -> bool:
        try:
            await producer.send_all([Record(topic, b"k", b"x" * 5000)], 5)
        except BrokerUnavailable:
            return True
        return False

    await eventually(refused)
    await eventually(lambda: sends(producer, topic, "after"))
    assert (await stored(kafka_url, topic))[-1] == "after"


async def test_without_a_broker_it_starts_says_so_at_once_and_closes_quickly() -> None:
    lonely = Producer("127.0.0.1:1", "test", registry=CollectorRegistry())
    await lonely.start()
    try:
        await eventually(lambda: refuses_at_once(lonely))
        assert await lonely.problem() == "the broker cannot be reached"
    finally:
        started = time.monotonic()
        await lonely.close(10)
    assert time.monotonic() - started < 3


async def refuses_at_once(producer: Producer) -> bool:
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await producer.send_all(records("any", "x"), 5)
    return time.monotonic() - started < 0.1


async def test_closing_waits_for_what_is_on_its_way(kafka_url: str, topic: str) -> None:
    made = Producer(kafka_url, "test", registry=CollectorRegistry())
    await made.start()
    await made.send_all(records(topic, "first"), 10)
    under_way = asyncio.create_task(made.send_all(records(topic, "last"), 10))
    await asyncio.sleep(0)

    await made.close()

    await under_way
    assert await stored(kafka_url, topic) == ["first", "last"]
    with pytest.raises(BrokerUnavailable):
        await made.send_all(records(topic, "late"), 1)
