"""Counting as one would write it first: a record, its `$inc`, its commit, the next record. Doubles under replay."""

from __future__ import annotations

import json

from benchmarks.consumers.bare import client
from benchmarks.consumers.tally import Tally, Task, run
from shared.clock import from_millis
from shared.mongo import connect


async def consume(task: Task, tally: Tally) -> None:
    """Count in a new database until the tally is done, then drop it."""
    store = connect(task.mongo_url)
    counters = store[task.database]["counters"]
    try:
        async with client(task) as consumer:
            while not tally.done.is_set():
                record = await consumer.getone()
                tally.begin()
                value = json.loads(record.value)
                event = value["event"]
                hour = from_millis(event["timestamp"]).strftime("%Y-%m-%dT%H")
                key = f"{value['channel']}|{event['type']}|{hour}"
                await counters.update_one({"_id": key}, {"$inc": {"count": 1}}, upsert=True)
                await consumer.commit()
                tally.add(1)
    finally:
        await store.drop_database(task.database)
        store.close()


if __name__ == "__main__":
    run(consume)
