"""The ledger of what is sent: chunks as campaigns freeze, count, withdraw and look them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from services.broadcast.sending.documents import CHUNKS, PEOPLE, people_document, read_chunk, read_people
from services.broadcast.sending.model import (
    SKIP_REASONS,
    UNENDED,
    Chunk,
    Fate,
    NewChunk,
    People,
    Tally,
    chunk_id,
    fates,
)
from shared.ids import ulid
from shared.mongo import ASCENDING, DESCENDING, Collection, Database, Document, DuplicateKeyError


class Chunks:
    """Keeps chunks. Every method may raise the store's unavailability; then the same call again is right."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[CHUNKS]
        self._people: Collection = database[PEOPLE]

    async def add(self, chunk: NewChunk) -> bool:
        """Freeze a chunk; False where the campaign has one of this number, which then stands as it is.

        Raises:
            ValueError: it covers nobody.
        """
        if not chunk.recipients and not chunk.skipped:
            raise ValueError("a chunk covers at least one contact")
        people_id = f"{chunk.id}.{ulid()}"
        people = people_document(chunk.recipients, chunk.skipped)
        await self._people.insert_one({"_id": people_id, "campaign": chunk.campaign, **people})
        try:
            await self.collection.insert_one(_new(chunk, people_id))
        except DuplicateKeyError:
            await self._people.delete_one({"_id": people_id})
            return False
        return True

    async def get(self, campaign: str, n: int) -> Chunk | None:
        """Return a chunk."""
        document = await self.collection.find_one({"_id": chunk_id(campaign, n)})
        return read_chunk(document) if document else None

    async def last_of(self, campaign: str) -> Chunk | None:
        """Return a campaign's last chunk: the next begins above its last contact."""
        found = self.collection.find({"campaign": campaign}).sort([("campaign", DESCENDING), ("last", DESCENDING)])
        documents = [document async for document in found.limit(1)]
        return read_chunk(documents[0]) if documents else None

    async def people(self, chunk: Chunk) -> People:
        """Return whom a chunk was frozen with.

        Raises:
            LookupError: they are gone from the store.
        """
        document = await self._people.find_one({"_id": chunk.people})
        if document is None:
            raise LookupError(f"the people of chunk {chunk.id} are not in the store")
        return read_people(document)

    async def counts(self, campaign: str) -> Tally:
        """Count a campaign's chunks and people: one pass over its small documents, 2,000 for a million people."""
        sums: Document = {reason: {"$sum": f"$skips.{reason}"} for reason in SKIP_REASONS}
        group: Document = {"_id": "$state", "chunks": {"$sum": 1}, "recipients": {"$sum": "$recipients"}, **sums}
        grouped = self.collection.aggregate([{"$match": {"campaign": campaign}}, {"$group": group}])
        rows = [row async for row in grouped]
        skipped: Counter[str] = Counter()
        for row in rows:
            skipped.update({reason: row[reason] for reason in SKIP_REASONS if row[reason]})
        return Tally(
            {row["_id"]: row["chunks"] for row in rows},
            {row["_id"]: row["recipients"] for row in rows},
            dict(skipped),
        )

    async def accepted_since(self, campaign: str, at: datetime) -> int:
        """Count the people of chunks whose acceptance was written down since then."""
        match = {"campaign": campaign, "state": "accepted", "ended_at": {"$gte": at}}
        group = {"_id": None, "recipients": {"$sum": "$recipients"}}
        rows = [row async for row in self.collection.aggregate([{"$match": match}, {"$group": group}])]
        return int(rows[0]["recipients"]) if rows else 0

    async def unended(self, campaign: str) -> bool:
        """Whether a chunk is still to be sent or answered."""
        query = {"campaign": campaign, "state": {"$in": list(UNENDED)}}
        return await self.collection.find_one(query, {"_id": 1}) is not None

    async def find_recipient(self, campaign: str, contact: str) -> Fate | None:
        """Return what became of one person; None for someone the campaign's audience did not have."""
        found = await self._from(campaign, contact, 1, inclusive=True)
        if not found or contact < found[0].first:
            return None
        people = await self.people(found[0])
        return next((fate for fate in fates(found[0], people) if fate.contact == contact), None)

    async def recipients(self, campaign: str, after: str | None, limit: int) -> list[Fate]:
        """Return what became of everyone, in order of their contacts, after the given one."""
        page: list[Fate] = []
        while len(page) < limit:
            chunks = await self._from(campaign, after or "", 1, inclusive=False)
            if not chunks:
                break
            everyone = fates(chunks[0], await self.people(chunks[0]))
            page += [fate for fate in everyone if after is None or fate.contact > after]
            after = chunks[0].last
        return page[:limit]

    async def _from(self, campaign: str, contact: str, limit: int, *, inclusive: bool) -> Sequence[Chunk]:
        """Return the chunks that reach up to a contact or beyond it."""
        reach = {"$gte" if inclusive else "$gt": contact}
        found = self.collection.find({"campaign": campaign, "last": reach})
        ordered = found.sort([("campaign", ASCENDING), ("last", ASCENDING)]).limit(limit)
        return [read_chunk(document) async for document in ordered]

    async def withdraw(self, campaign: str) -> None:
        """Cancel what has not begun. What is on its way ends by LINE's answer, or unknown where its sender died."""
        pending = {"campaign": campaign, "state": "pending"}
        await self.collection.update_many(pending, {"$set": {"state": "cancelled"}})
        sending = {"campaign": campaign, "state": "sending"}
        await self.collection.update_many(sending, {"$set": {"withdrawn": True}})


def _new(chunk: NewChunk, people_id: str) -> Document:
    return {
        "_id": chunk.id,
        "campaign": chunk.campaign,
        "channel": chunk.channel,
        "n": chunk.n,
        "state": "pending",
        "first": chunk.first,
        "last": chunk.last,
        "frozen": len(chunk.recipients),
        "recipients": len(chunk.recipients),
        "skips": dict(Counter(skip.reason for skip in chunk.skipped)),
        "people": people_id,
        "revision": 0,
        "dropped": [],
        "pending": [],
    }
