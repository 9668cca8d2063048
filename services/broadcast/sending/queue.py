"""The ledger as the sender moves it: every step one compare-and-set write, so that what dies between two is found.

A claim is what lets one caller call LINE for a chunk: it is written before the call, and nobody else touches the chunk
before `until`. Whoever takes it up after that sends the same bytes under the same retry key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from services.broadcast.sending.documents import BODIES, CHUNKS, PEOPLE, read_chunk, read_people, skips_document
from services.broadcast.sending.model import Attempt, Chunk, People, Skip
from shared.ids import ulid
from shared.mongo import (
    ASCENDING,
    Collection,
    Database,
    Document,
    UpdateOne,
)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a pending chunk will send, decided and not yet written."""

    chunk: Chunk
    dropped: Sequence[Skip]
    """Newly dropped."""
    recipients: int
    retry_key: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """How a chunk ends, with the facts that are told of it: written in one write."""

    chunk: Chunk
    state: Literal["accepted", "rejected", "unknown"]
    at: datetime
    facts: Sequence[Document] = field(repr=False)
    request_id: str | None = None
    problem: Document | None = None
    dropped: Sequence[Skip] = ()
    """Newly dropped, where it ends without a call because nobody is left."""


class ChunkQueue:
    """Moves chunks through their states. Every method may raise the store's unavailability.

    Then it may have been done all the same: what was claimed is found again after its `until`.
    """

    def __init__(self, database: Database) -> None:
        self._chunks: Collection = database[CHUNKS]
        self._people: Collection = database[PEOPLE]
        self._bodies: Collection = database[BODIES]

    async def pending(self, campaign: str, limit: int) -> list[Chunk]:
        """Return a campaign's next chunks to begin, in their order."""
        found = self._chunks.find({"campaign": campaign, "state": "pending"})
        ordered = found.sort([("campaign", ASCENDING), ("state", ASCENDING), ("n", ASCENDING)]).limit(limit)
        return [read_chunk(document) for document in await ordered.to_list(limit)]

    async def overdue(self, campaigns: Sequence[str], now: datetime, limit: int) -> list[Chunk]:
        """Return chunks that were tried, or may have been, and are due again."""
        return await self._until_passed({"campaign": {"$in": list(campaigns)}, "withdrawn": None}, now, limit)

    async def withdrawn(self, now: datetime, limit: int) -> list[Chunk]:
        """Return chunks of cancelled campaigns whose sender has not said how they ended."""
        return await self._until_passed({"withdrawn": True}, now, limit)

    async def _until_passed(self, which: Document, now: datetime, limit: int) -> list[Chunk]:
        found = self._chunks.find({"until": {"$lt": now}, **which}).sort("until", ASCENDING).limit(limit)
        return [read_chunk(document) for document in await found.to_list(limit)]

    async def people(self, chunks: Sequence[Chunk]) -> dict[str, People]:
        """Return whom chunks were frozen with, by chunk id."""
        owners = {chunk.people: chunk.id for chunk in chunks}
        found = await self._people.find({"_id": {"$in": list(owners)}}).to_list(len(owners))
        return {owners[document["_id"]]: read_people(document) for document in found}

    async def begin(self, fixes: Sequence[Fixed], now: datetime, until: datetime) -> list[Chunk]:
        """Fix what pending chunks send and claim them; return those that are now the caller's to send."""
        claim = ulid()
        ordered = sorted(fixes, key=lambda fixed: fixed.chunk.id)
        begun = [_begun(fixed, claim, now, until) for fixed in ordered]
        bodies = [
            {"_id": _attempt(chunk).body, "at": now, "body": fixed.body}
            for chunk, fixed in zip(begun, ordered, strict=True)
        ]
        await self._bodies.insert_many(bodies, ordered=False)
        changes = [_begin(fixed.chunk, chunk) for fixed, chunk in zip(ordered, begun, strict=True)]
        result = await self._chunks.bulk_write(changes, ordered=False)
        if result.matched_count == len(changes):
            return begun
        mine = self._chunks.find({"_id": {"$in": [chunk.id for chunk in begun]}, "attempt.claim": claim}, {"_id": 1})
        ids = {document["_id"] for document in await mine.to_list(len(begun))}
        return [chunk for chunk in begun if chunk.id in ids]

    async def retake(self, chunk: Chunk, now: datetime, until: datetime) -> Chunk | None:
        """Claim a chunk whose `until` has passed; None where someone else did, or it has ended."""
        attempt = _attempt(chunk)
        claim = ulid()
        changes = {"until": until, "attempt.claim": claim, "attempt.doubted": True}
        result = await self._chunks.update_one(
            _as_claimed(chunk) | {"until": {"$lt": now}}, {"$set": changes, "$inc": {"attempt.attempts": 1}}
        )
        if not result.matched_count:
            return None
        return replace(
            chunk, until=until, attempt=replace(attempt, claim=claim, attempts=attempt.attempts + 1, doubted=True)
        )

    async def body(self, chunk: Chunk) -> bytes | None:
        """Return the bytes that were fixed for a chunk; None where they are past their time."""
        document = await self._bodies.find_one({"_id": _attempt(chunk).body})
        return None if document is None else bytes(document["body"])

    async def again(self, chunk: Chunk, until: datetime, *, doubted: bool) -> None:
        """Give up a claim: the same bytes are due again at `until`."""
        await self._chunks.update_one(_as_claimed(chunk), {"$set": {"until": until, "attempt.doubted": doubted}})

    async def back(self, chunk: Chunk, at: datetime) -> None:
        """Give up a claim on a chunk that LINE has certainly not taken: it is pending again, or due to be cancelled."""
        await self._unfix(chunk, at, {})

    async def drop(self, chunk: Chunk, skip: Skip, at: datetime) -> None:
        """Take one recipient out of a chunk that LINE refused: it is pending again, under another retry key."""
        change = {"$push": {"dropped": {"$each": skips_document([skip])}}}
        await self._unfix(chunk, at, {**change, "$inc": {"revision": 1, "recipients": -1, f"skips.{skip.reason}": 1}})

    async def _unfix(self, chunk: Chunk, at: datetime, more: Document) -> None:
        claimed = _as_claimed(chunk)
        change = {"$set": {"state": "pending"}, "$unset": {"until": "", "attempt": ""}, **more}
        result = await self._chunks.update_one(claimed | {"withdrawn": None}, change)
        if not result.matched_count:
            await self.again(chunk, at, doubted=False)

    async def cancel(self, chunk: Chunk) -> None:
        """End a chunk of a cancelled campaign that LINE has certainly not taken."""
        change = {"$set": {"state": "cancelled"}, "$unset": {"until": ""}}
        await self._chunks.update_one(_as_claimed(chunk) | {"withdrawn": True}, change)

    async def end(self, ends: Sequence[End]) -> bool:
        """End chunks; False where some had ended already, so that who tells their facts is left to the relay."""
        changes = [_end(end) for end in sorted(ends, key=lambda end: end.chunk.id)]
        result = await self._chunks.bulk_write(changes, ordered=False)
        return bool(result.matched_count == len(changes))


def _attempt(chunk: Chunk) -> Attempt:
    if chunk.attempt is None:
        raise ValueError(f"chunk {chunk.id} has not begun")
    return chunk.attempt


def _as_claimed(chunk: Chunk) -> Document:
    return {"_id": chunk.id, "state": "sending", "attempt.claim": _attempt(chunk).claim}


def _skips(chunk: Chunk, dropped: Sequence[Skip]) -> tuple[tuple[Skip, ...], dict[str, int]]:
    skips = dict(chunk.skips)
    for skip in dropped:
        skips[skip.reason] = skips.get(skip.reason, 0) + 1
    return (*chunk.dropped, *dropped), skips


def _begun(fixed: Fixed, claim: str, now: datetime, until: datetime) -> Chunk:
    chunk = fixed.chunk
    attempt = Attempt(
        claim=claim,
        retry_key=fixed.retry_key,
        first_attempt_at=now,
        attempts=1,
        doubted=True,
        recipients=fixed.recipients,
        body=f"{chunk.id}.{claim}",
    )
    dropped, skips = _skips(chunk, fixed.dropped)
    return replace(chunk, state="sending", until=until, attempt=attempt, dropped=dropped, skips=skips)


def _begin(pending: Chunk, begun: Chunk) -> UpdateOne:
    attempt = _attempt(begun)
    change: Document = {
        "state": "sending",
        "until": begun.until,
        "attempt": {name: getattr(attempt, name) for name in Attempt.__slots__},
    }
    if begun.dropped != pending.dropped:
        change |= {
            "dropped": skips_document(begun.dropped),
            "skips": dict(begun.skips),
            "recipients": attempt.recipients,
        }
    return UpdateOne({"_id": begun.id, "state": "pending", "revision": pending.revision}, {"$set": change})


def _end(end: End) -> UpdateOne:
    chunk = end.chunk
    which: dict[str, Any] = {"_id": chunk.id}
    if chunk.attempt is None:
        which |= {"state": "pending", "revision": chunk.revision}
    else:
        # LINE's answer to these bytes is true whoever holds the claim by now; that nobody knows is said by its holder.
        held = {"attempt.claim": chunk.attempt.claim} if end.state == "unknown" else {}
        which |= {"state": "sending", "attempt.retry_key": chunk.attempt.retry_key, **held}
    change: Document = {
        "state": end.state,
        "ended_at": end.at,
        "request_id": end.request_id,
        "problem": end.problem,
        "pending": list(end.facts),
        "pending_since": end.at,
    }
    if end.dropped:
        dropped, skips = _skips(chunk, end.dropped)
        change |= {"dropped": skips_document(dropped), "skips": skips, "recipients": 0}
    return UpdateOne(which, {"$set": change, "$unset": {"until": ""}})
