"""Kafka as scenarios touch it from outside: a record that ingest would never write, what a group has committed."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient


async def publish(kafka_url: str, topic: str, key: bytes, value: bytes) -> tuple[int, int]:
    """Write one record; return its partition and offset."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all")
    await producer.start()
    try:
        written = await producer.send_and_wait(topic, value, key=key)
        return written.partition, written.offset
    finally:
        await producer.stop()


async def committed(kafka_url: str, group: str, topic: str, partition: int) -> int:
    """Return the offset that a group has committed of a partition; -1 where none."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
        place = TopicPartition(topic, partition)
        return int(offsets[place].offset) if place in offsets else -1
    finally:
        await admin.close()
