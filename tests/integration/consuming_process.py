"""A consumer as a process of its own, to be stopped, frozen and killed (`python -m`).

Its environment: KAFKA_URL, MONGO_URL, DATABASE, TOPIC, GROUP, INSTANCE (or empty), SESSION_MS, RECORD_SECONDS (what a
record takes) and EFFECTS (0: only takes its time). An effect is guarded as design §5 wants it: a document a key, whose
last offset refuses older ones. Five times a second it prints how it is, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from shared.consumer import Consumer, ConsumerOptions, Record
from shared.mongo import Database, connect, is_duplicate
from shared.producer import Producer
from tests.integration.consumer_lab import SERVICE

STATUS_SECONDS = 0.2


async def apply(database: Database, record: Record) -> None:
    """Apply an effect once, and note whether the guard let it: what a test compares with the topic."""
    key, offset = (record.key or b"").decode(), record.at.offset
    try:
        await database["effects"].update_one(
            {"_id": key, "last": {"$lt": offset}},
            {"$set": {"last": offset}, "$push": {"applied": offset}},
            upsert=True,
        )
    except Exception as error:
        if not is_duplicate(error):
            raise
        await database["refused"].insert_one({"key": key, "offset": offset, "pid": os.getpid()})


def say(consumer: Consumer, started: int, topic: str) -> None:
    """Print how this member is."""
    metrics = consumer.metrics
    status = {
        "partitions": metrics.partitions._value.get(),
        "rebalances": metrics.rebalances._value.get(),
        "unfinished": metrics.unfinished.labels(topic)._value.get(),
        "paused": metrics.paused._value.get(),
        "started": started,
    }
    sys.stdout.write(json.dumps(status) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Consume until SIGTERM."""
    wanted = os.environ
    seconds, topic, effects = float(wanted["RECORD_SECONDS"]), wanted["TOPIC"], wanted["EFFECTS"] == "1"
    client = connect(wanted["MONGO_URL"])
    database = client[wanted["DATABASE"]]
    sender = Producer(wanted["KAFKA_URL"], "lab", registry=CollectorRegistry())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    started = 0

    async def handler(records: Sequence[Record]) -> None:
        nonlocal started
        for record in records:
            started += 1
            await asyncio.sleep(seconds)
            if effects:
                await apply(database, record)

    async def nothing() -> None:
        return

    options = ConsumerOptions(
        SERVICE,
        wanted["KAFKA_URL"],
        group=wanted["GROUP"],
        instance_id=wanted["INSTANCE"] or None,
        session_timeout_ms=int(wanted["SESSION_MS"]),
    )
    consumer = Consumer(options, {topic: handler}, sender, None, None, CollectorRegistry())
    await sender.start()
    async with consumer.running(nothing):
        while not stop.is_set():
            say(consumer, started, topic)
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=STATUS_SECONDS)
    say(consumer, started, topic)
    await sender.close()
    client.close()


if __name__ == "__main__":
    asyncio.run(main())
