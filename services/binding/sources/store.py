"""Hits of add-friend sources, kept for two days to be joined to follows."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.binding.sources.model import ESTIMATED_WINDOW, SLACK, VERIFIED_WINDOW, Hit
from shared.mongo import ASCENDING, DESCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "source_hits"
INDEXES = (
    Index(COLLECTION, [("contact", ASCENDING), ("at", DESCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("contact", ASCENDING), ("at", ASCENDING)]),
    Index(COLLECTION, [("at", ASCENDING)], expire_seconds=2 * 86_400),
)


class HitStore(Protocol):
    """Keeps source hits."""

    async def add(self, hit: Hit) -> None:
        """Keep a hit; the same one again changes nothing."""

    async def verified_before(self, contact_id: str, followed_at: datetime) -> Hit | None:
        """Return the newest hit of this contact that may have led to a follow."""

    async def take_sole_anonymous(self, channel: str, followed_at: datetime, contact_id: str) -> Hit | None:
        """Take the anonymous hit that may have led to a follow, if it is the only one and nobody took it before."""

    async def forget(self, contact_id: str) -> None:
        """Delete the hits of an erased contact."""


def _read(document: Document) -> Hit:
    return Hit(document["_id"], document["channel"], document["source"], document["at"], document["contact"])


class MongoHits:
    """Hits in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._hits = database[COLLECTION]

    async def add(self, hit: Hit) -> None:
        """Keep a hit under its own id."""
        document = {"_id": hit.id, "channel": hit.channel, "source": hit.source, "at": hit.at, "contact": hit.contact}
        try:
            await self._hits.insert_one(document | {"taken_by": None})
        except DuplicateKeyError:
            return

    async def verified_before(self, contact_id: str, followed_at: datetime) -> Hit | None:
        """Return the newest hit of this contact that may have led to a follow."""
        window = {"$gte": followed_at - VERIFIED_WINDOW, "$lte": followed_at + SLACK}
        document = await self._hits.find_one({"contact": contact_id, "at": window}, sort=[("at", DESCENDING)])
        return _read(document) if document else None

    async def take_sole_anonymous(self, channel: str, followed_at: datetime, contact_id: str) -> Hit | None:
        """Take the sole anonymous hit by compare-and-set; the same contact may take it again."""
        window = {"$gte": followed_at - ESTIMATED_WINDOW, "$lte": followed_at + SLACK}
        found = self._hits.find({"channel": channel, "contact": None, "at": window}).limit(2)
        candidates = [document async for document in found]
        if len(candidates) != 1:
            return None
        free = {"_id": candidates[0]["_id"], "taken_by": {"$in": [None, contact_id]}}
        taken = await self._hits.update_one(free, {"$set": {"taken_by": contact_id}})
        return _read(candidates[0]) if taken.matched_count else None

    async def forget(self, contact_id: str) -> None:
        """Delete the hits of an erased contact."""
        await self._hits.delete_many({"contact": contact_id})
        await self._hits.update_many({"taken_by": contact_id}, {"$set": {"taken_by": "erased"}})
