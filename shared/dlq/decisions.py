"""What was decided about dead letters, in the service's own database: one document a letter, one decision at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.clock import Now
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "dead_letters"
KEPT_SECONDS = 35 * 86_400
"""Longer than Kafka keeps a letter."""
INDEXES = (Index(COLLECTION, [("at", ASCENDING)], expire_seconds=KEPT_SECONDS),)

_UNDECIDED = {"replayed": {"$exists": False}, "dropped": {"$exists": False}}


class Decisions:
    """Keeps decisions. Each is one compare-and-set: of two at the same moment one holds."""

    def __init__(self, database: Database, now: Now) -> None:
        self._letters = database[COLLECTION]
        self._now = now

    async def replay(self, letter: str, who: str, *, force: bool) -> bool:
        """Note a replay; False where the letter was replayed or dropped before and this is not forced."""
        now = self._now()
        change: Document = {"$set": {"at": now, "replayed": {"by": who, "at": now}}}
        if force:
            await self._letters.update_one({"_id": letter}, change | {"$unset": {"dropped": ""}}, upsert=True)
            return True
        return await self._decide({"_id": letter, **_UNDECIDED}, change)

    async def drop(self, letter: str, who: str, why: str) -> bool:
        """Note that a letter is left; False where that was decided before."""
        now = self._now()
        change = {"$set": {"at": now, "dropped": {"by": who, "at": now, "why": why}}}
        return await self._decide({"_id": letter, "dropped": {"$exists": False}}, change)

    async def take_back(self, letter: str) -> bool:
        """Take the dropping of a letter back; False where it is not dropped."""
        change = {"$set": {"at": self._now()}, "$unset": {"dropped": ""}}
        result = await self._letters.update_one({"_id": letter, "dropped": {"$exists": True}}, change)
        return bool(result.matched_count)

    async def known(self, letters: Sequence[str] | None = None) -> Mapping[str, Document]:
        """Return what was decided, as fields of a letter's view; of all letters where none are named."""
        query = {} if letters is None else {"_id": {"$in": list(letters)}}
        return {entry["_id"]: _fields(entry) async for entry in self._letters.find(query)}

    async def _decide(self, where: Document, change: Document) -> bool:
        try:
            await self._letters.update_one(where, change, upsert=True)
        except DuplicateKeyError:
            return False
        return True


def _fields(entry: Document) -> Document:
    return {"replayed": "replayed" in entry, "dropped": entry.get("dropped")}
