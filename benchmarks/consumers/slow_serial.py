"""Bare aiokafka with a slow handler, one record after the other; commits each batch."""

from __future__ import annotations

from benchmarks.consumers.bare import BATCH, client
from benchmarks.consumers.slow_handler import handle
from benchmarks.consumers.tally import Tally, Task, run


async def consume(task: Task, tally: Tally) -> None:
    """Consume until the tally is done."""
    async with client(task) as consumer:
        while not tally.done.is_set():
            batches = await consumer.getmany(timeout_ms=200, max_records=BATCH)
            for _ in range(sum(len(batch) for batch in batches.values())):
                if tally.done.is_set():
                    return
                tally.begin()
                await handle()
                tally.add(1)
            if batches:
                await consumer.commit()


if __name__ == "__main__":
    run(consume)
