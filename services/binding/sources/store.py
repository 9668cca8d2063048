"""Hits of add-friend sources, kept for two days to be joined to follows."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.binding.sources.model import ESTIMATED_WINDOW, SLACK, VERIFIED_WINDOW, Hit
from shared.ids import split_contact
from shared.mongo import ASCENDING, DESCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "source_hits"
LOOKED_AT = 500
"""Newest hits of an account looked at for one follow."""

INDEXES = (
    Index(COLLECTION, [("contact", ASCENDING), ("at", DESCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("contact", ASCENDING), ("at", ASCENDING)]),
    Index(COLLECTION, [("at", ASCENDING)], expire_seconds=2 * 86_400),
)


class HitStore(Protocol):
    """Keeps source hits."""

    async def add(self, hit: Hit) -> None:
        """Keep a hit; the same one again changes nothing."""

    async def leading_to(self, contact_id: str, followed_at: datetime) -> Hit | None:
        """Return the hit that led to a follow: the contact's newest own, else the account's sole anonymous one.

        An anonymous hit is taken by the contact that gets it: no other will.
        """

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

    async def leading_to(self, contact_id: str, followed_at: datetime) -> Hit | None:
        """Return the hit that led to a follow; see `HitStore.leading_to`."""
        channel, _ = split_contact(contact_id)
        until = {"$lte": followed_at + SLACK}
        own = {"contact": contact_id, "at": {"$gte": followed_at - VERIFIED_WINDOW} | until}
        anonymous = {"contact": None, "at": {"$gte": followed_at - ESTIMATED_WINDOW} | until}
        found = self._hits.find({"channel": channel, "$or": [own, anonymous]}).sort("at", DESCENDING).limit(LOOKED_AT)
        hits = [document async for document in found]
        mine = next((document for document in hits if document["contact"] == contact_id), None)
        if mine is None and len(hits) == LOOKED_AT:
            mine = await self._hits.find_one(own, sort=[("at", DESCENDING)])
        if mine is not None:
            return _read(mine)
        return await self._take(hits[0], contact_id) if len(hits) == 1 else None

    async def _take(self, document: Document, contact_id: str) -> Hit | None:
        free = {"_id": document["_id"], "taken_by": {"$in": [None, contact_id]}}
        taken = await self._hits.update_one(free, {"$set": {"taken_by": contact_id}})
        return _read(document) if taken.matched_count else None

    async def forget(self, contact_id: str) -> None:
        """Delete the hits of an erased contact."""
        await self._hits.delete_many({"contact": contact_id})
        await self._hits.update_many({"taken_by": contact_id}, {"$set": {"taken_by": "erased"}})
