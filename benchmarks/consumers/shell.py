"""Musubi's consumer with a handler of one's own: everything but what a service does with its records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from benchmarks.consumers.tally import Task
from benchmarks.records import SERVICE
from shared.consumer import Consumer, ConsumerOptions
from shared.consumer.attempts import Handler
from shared.consumer.claims import Claims
from shared.producer import Producer


@asynccontextmanager
async def consuming(task: Task, handler: Handler, *, keyed: bool, claims: Claims | None = None) -> AsyncIterator[None]:
    """Consume the topic for the length of the block; leaving it drains and commits, as in a service."""
    registry = CollectorRegistry()
    sender = Producer(task.kafka_url, SERVICE, registry=registry)
    await sender.start()
    options = ConsumerOptions(SERVICE, task.kafka_url, keyed=keyed, group=task.group)
    consumer = Consumer(options, {task.topic: handler}, sender, claims, None, registry)
    try:
        async with consumer.running(_nothing_first):
            yield
    finally:
        await sender.close()


async def _nothing_first() -> None:
    await asyncio.sleep(0)
