"""The first guard: an event that LINE delivers again under a new offset is dropped (design §5, "Once")."""

from __future__ import annotations

from collections.abc import Sequence

from shared.clock import Now, utcnow
from shared.consumer.records import Record
from shared.mongo import ASCENDING, BulkWriteError, Database, Document, Index, duplicate_positions

COLLECTION = "claims"
KEPT_SECONDS = 35 * 86_400
INDEXES = (Index(COLLECTION, [("at", ASCENDING)], expire_seconds=KEPT_SECONDS),)


def _claim(record: Record, now: Now) -> Document:
    return {
        "_id": record.event_id,
        "topic": record.origin.topic,
        "partition": record.origin.partition,
        "offset": record.origin.offset,
        "at": now(),
    }


def _same(claim: Document | None, record: Record) -> bool:
    origin = record.origin
    return claim is not None and (claim["topic"], claim["partition"], claim["offset"]) == (
        origin.topic,
        origin.partition,
        origin.offset,
    )


class Claims:
    """Claims event ids for the coordinates they were first seen at, in the service's own database.

    A claim alone never stands for the effect: a record claimed by an attempt that died has the same coordinates when
    it comes again, and goes on.
    """

    def __init__(self, database: Database, now: Now = utcnow) -> None:
        self._claims = database[COLLECTION]
        self._now = now

    async def claim(self, records: Sequence[Record]) -> set[int]:
        """Claim a batch with one unordered insert and return the positions of the duplicates, to be dropped.

        Records without an event id are never duplicates here.

        Raises:
            PyMongoError: the store cannot be reached; nothing is known, the same call again is right.
        """
        positions = [position for position, record in enumerate(records) if record.event_id]
        if not positions:
            return set()
        try:
            await self._claims.insert_many(
                [_claim(records[position], self._now) for position in positions], ordered=False
            )
        except BulkWriteError as error:
            refused = [positions[index] for index in duplicate_positions(error)]
            return await self._others(records, refused)
        return set()

    async def _others(self, records: Sequence[Record], refused: list[int]) -> set[int]:
        ids = [records[position].event_id for position in refused]
        holders = {claim["_id"]: claim async for claim in self._claims.find({"_id": {"$in": ids}})}
        return {
            position for position in refused if not _same(holders.get(records[position].event_id), records[position])
        }
