"""What is known of each piece of content: what is wanted, who fetches it, what became of it.

A fetch is claimed by compare-and-set on the time it is due, which then says when the claim expires: a piece whose
fetcher died is simply due again. Each attempt writes bytes under a name of its own (`blob`), so that two attempts never
mix, and whoever takes over or erases knows what to throw away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from services.ticketing.content.model import ERASED, KEPT, TOO_LARGE, WANTED, Piece, State, Verdict, Wanted, piece_id
from shared.ids import ulid
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index, ReturnDocument

COLLECTION = "content_pieces"
INDEXES = (
    Index(COLLECTION, [("due_at", ASCENDING)]),
    Index(COLLECTION, [("state", ASCENDING), ("wanted_at", ASCENDING)]),
    Index(COLLECTION, [("contact", ASCENDING)]),
)
CLAIM = timedelta(seconds=60)
"""A claim's life without a sign of its fetcher, who renews it while bytes come."""
SWEEP_AFTER = timedelta(minutes=10)
"""Erased bytes are thrown away at once, and once more after this: a fetch was perhaps under way."""


class PieceStore(Protocol):
    """Keeps what is known of content. Every write may be repeated."""

    async def want(self, wanted: Wanted, most_bytes: int, now: datetime) -> bool:
        """Note that content is to be fetched; False where it was noted before, whatever became of it."""

    async def get(self, channel: str, message_id: str) -> Piece | None:
        """Return what is known of a message's content."""

    async def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of pieces to fetch or sweep now, the longest due first."""

    async def claim(self, piece: str, now: datetime) -> tuple[Piece, str | None] | None:
        """Take a due piece for one attempt.

        Returns the piece with the attempt's `blob`, and the blob that an attempt cut short may have left; None where it
        is not due, not wanted, or another's.
        """

    async def renew(self, piece: Piece, now: datetime) -> bool:
        """Prolong a claim; False where it is lost: stop."""

    async def keep(self, piece: Piece, size: int, media_type: str, sha256: str, now: datetime) -> bool:
        """Note that a claimed piece's bytes are kept; False where the claim is lost: throw them away."""

    async def settle(self, piece: Piece, verdict: Verdict) -> bool:
        """Note that a claimed piece was not got, and what follows; False where the claim is lost."""

    async def erase(self, channel: str, message_id: str, contact: str, now: datetime) -> str | None:
        """Note that a message was taken back, also before it was wanted; returns the blob to throw away."""

    async def erase_of(self, contact: str, now: datetime) -> Sequence[str]:
        """Note that everything of an erased contact must go; returns the blobs to throw away."""

    async def to_sweep(self, piece: str, now: datetime) -> Piece | None:
        """Return an erased piece whose bytes are to be thrown away once more, if it is one."""

    async def swept(self, piece: Piece) -> None:
        """Note that an erased piece's bytes are gone; of an erased contact nothing stays."""

    async def oldest_wanted(self) -> datetime | None:
        """Return since when the longest wanted piece waits."""


def _read(document: Document) -> Piece:
    return Piece(
        id=document["_id"],
        channel=document["channel"],
        contact=document.get("contact"),
        kind=document["kind"],
        state=document["state"],
        wanted_at=document["wanted_at"],
        attempts=document.get("attempts", 0),
        file_name=document.get("file_name"),
        size=document.get("size"),
        media_type=document.get("media_type"),
        sha256=document.get("sha256"),
        blob=document.get("blob"),
        due_at=document.get("due_at"),
    )


def _held(piece: Piece) -> Document:
    """Match a piece that is still this attempt's: only its claimant knows the blob's name."""
    return {"_id": piece.id, "state": WANTED, "blob": piece.blob}


class MongoPieces:
    """Pieces in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._pieces = database[COLLECTION]

    async def want(self, wanted: Wanted, most_bytes: int, now: datetime) -> bool:
        """Note that content is to be fetched; what LINE says is too large is not even asked for."""
        too_large = wanted.size is not None and wanted.size > most_bytes
        first: Document = {
            "channel": wanted.channel,
            "contact": wanted.contact,
            "kind": wanted.kind,
            "file_name": wanted.file_name,
            "state": TOO_LARGE if too_large else WANTED,
            "wanted_at": now,
            "attempts": 0,
        }
        if not too_large:
            first["due_at"] = now
        return await self._insert(piece_id(wanted.channel, wanted.message_id), first)

    async def _insert(self, piece: str, first: Document) -> bool:
        try:
            result = await self._pieces.update_one({"_id": piece}, {"$setOnInsert": first}, upsert=True)
        except DuplicateKeyError:
            return False
        return result.upserted_id is not None

    async def get(self, channel: str, message_id: str) -> Piece | None:
        """Return what is known of a message's content."""
        document = await self._pieces.find_one({"_id": piece_id(channel, message_id)})
        return _read(document) if document else None

    async def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of pieces to fetch or sweep now."""
        found = self._pieces.find({"due_at": {"$lte": now}}, {"_id": 1}).sort("due_at", ASCENDING).limit(limit)
        return [document["_id"] async for document in found]

    async def claim(self, piece: str, now: datetime) -> tuple[Piece, str | None] | None:
        """Take a due piece for one attempt; see `PieceStore.claim`."""
        blob = f"{piece}/{ulid()}"
        taken = {"$set": {"due_at": now + CLAIM, "blob": blob}, "$inc": {"attempts": 1}}
        free = {"_id": piece, "state": WANTED, "due_at": {"$lte": now}}
        before = await self._pieces.find_one_and_update(free, taken, return_document=ReturnDocument.BEFORE)
        if before is None:
            return None
        attempts = before.get("attempts", 0) + 1
        return _read(before | {"blob": blob, "attempts": attempts, "due_at": now + CLAIM}), before.get("blob")

    async def renew(self, piece: Piece, now: datetime) -> bool:
        """Prolong a claim."""
        result = await self._pieces.update_one(_held(piece), {"$set": {"due_at": now + CLAIM}})
        return bool(result.matched_count)

    async def keep(self, piece: Piece, size: int, media_type: str, sha256: str, now: datetime) -> bool:
        """Note that a claimed piece's bytes are kept."""
        known = {"state": KEPT, "size": size, "media_type": media_type, "sha256": sha256, "kept_at": now}
        result = await self._pieces.update_one(_held(piece), {"$set": known, "$unset": {"due_at": ""}})
        return bool(result.matched_count)

    async def settle(self, piece: Piece, verdict: Verdict) -> bool:
        """Note that a claimed piece was not got; the caller has thrown away its blob."""
        change: dict[str, Any] = {"$set": {"state": verdict.state}, "$unset": {"blob": ""}}
        if verdict.due_at is not None:
            change["$set"]["due_at"] = verdict.due_at
        else:
            change["$unset"]["due_at"] = ""
        result = await self._pieces.update_one(_held(piece), change)
        return bool(result.matched_count)

    async def erase(self, channel: str, message_id: str, contact: str, now: datetime) -> str | None:
        """Note that a message was taken back; a stub stays, so that a late message is not fetched."""
        piece = piece_id(channel, message_id)
        state: State = ERASED
        stub = {"channel": channel, "contact": contact, "kind": "unknown", "state": state, "wanted_at": now}
        if await self._insert(piece, stub):
            return None
        return await self._mark_erased({"_id": piece, "state": {"$ne": ERASED}}, {}, now)

    async def _mark_erased(self, which: Document, more: Document, now: datetime) -> str | None:
        change = {
            "$set": {"state": ERASED, "due_at": now + SWEEP_AFTER, **more},
            "$unset": {"file_name": "", "size": "", "media_type": "", "sha256": "", "kept_at": ""},
        }
        before = await self._pieces.find_one_and_update(which, change, return_document=ReturnDocument.BEFORE)
        return before.get("blob") if before else None

    async def erase_of(self, contact: str, now: datetime) -> Sequence[str]:
        """Note that everything of an erased contact must go; it then belongs to nobody."""
        blobs = []
        async for document in self._pieces.find({"contact": contact}, {"_id": 1}):
            more = {"contact": None, "owner_erased": True}
            blobs.append(await self._mark_erased({"_id": document["_id"]}, more, now))
        return [blob for blob in blobs if blob]

    async def to_sweep(self, piece: str, now: datetime) -> Piece | None:
        """Return an erased piece that is due."""
        document = await self._pieces.find_one({"_id": piece, "state": ERASED, "due_at": {"$lte": now}})
        return _read(document) if document else None

    async def swept(self, piece: Piece) -> None:
        """Note that an erased piece's bytes are gone."""
        which: Document = {"_id": piece.id, "state": ERASED}
        await self._pieces.delete_one({**which, "owner_erased": True})
        await self._pieces.update_one(which, {"$unset": {"blob": "", "due_at": ""}})

    async def oldest_wanted(self) -> datetime | None:
        """Return since when the longest wanted piece waits."""
        oldest = await self._pieces.find_one({"state": WANTED}, sort=[("wanted_at", ASCENDING)])
        return oldest["wanted_at"] if oldest else None
