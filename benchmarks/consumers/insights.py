"""Insights' counting as the service wires it: claims, slots, bulk writes; exact under replay and redelivery."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Counter

from benchmarks.consumers.shell import consuming
from benchmarks.consumers.tally import Tally, Task, run
from services.insights.counters import store
from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import read_line_event
from shared.consumer import Record, claims
from shared.mongo import connect, ensure_indexes

ZONE = ZoneInfo("Asia/Taipei")


async def consume(task: Task, tally: Tally) -> None:
    """Count in a new database until the tally is done, then drop it."""
    client = connect(task.mongo_url)
    database = client[task.database]
    await ensure_indexes(database, (*claims.INDEXES, *store.INDEXES))
    skipped = Counter("skipped", "Records of no account.", ["topic"], registry=CollectorRegistry())
    deps = CountDeps(store.MongoCounters(database), lambda _: ZONE, skipped)

    async def handler(records: Sequence[Record]) -> None:
        await count(records, read_line_event, deps)
        tally.add(len(records))

    class Claims(claims.Claims):
        """The clock starts with the first batch's claim, which is part of the work."""

        async def claim(self, records: Sequence[Record]) -> set[int]:
            tally.begin()
            return await super().claim(records)

    try:
        async with consuming(task, handler, keyed=False, claims=Claims(database)):
            await tally.done.wait()
    finally:
        await client.drop_database(task.database)
        client.close()


if __name__ == "__main__":
    run(consume)
