"""Musubi's consumer in runs of a key, with a handler that only decodes."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.consumers.envelope import decode
from benchmarks.consumers.shell import consuming
from benchmarks.consumers.tally import Tally, Task, run
from shared.consumer import Record


async def consume(task: Task, tally: Tally) -> None:
    """Consume until the tally is done."""

    async def handler(records: Sequence[Record]) -> None:
        tally.begin()
        for record in records:
            decode(record.value or b"")
        tally.add(len(records))

    async with consuming(task, handler, keyed=True):
        await tally.done.wait()


if __name__ == "__main__":
    run(consume)
