"""Bare aiokafka: what a consumer costs at least. Reads batches, decodes each record, commits each batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer

from benchmarks.consumers.envelope import decode
from benchmarks.consumers.tally import Tally, Task, run

BATCH = 2000


@asynccontextmanager
async def client(task: Task) -> AsyncIterator[Any]:
    """A plain consumer at the beginning of the topic, committing only when told."""
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.kafka_url.split(","),
        group_id=task.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def consume(task: Task, tally: Tally) -> None:
    """Consume until the tally is done."""
    async with client(task) as consumer:
        while not tally.done.is_set():
            batches = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            if not batches:
                continue
            tally.begin()
            for batch in batches.values():
                for record in batch:
                    decode(record.value)
            await consumer.commit()
            tally.add(sum(len(batch) for batch in batches.values()))


if __name__ == "__main__":
    run(consume)
