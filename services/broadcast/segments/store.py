"""Where segments are kept: a document a segment, changed by compare-and-set on its version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import orjson

from services.broadcast.segments.model import Segment
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "segments"
INDEXES = (
    Index(COLLECTION, [("channel", ASCENDING), ("_id", ASCENDING)]),
    Index(COLLECTION, [("names", ASCENDING)]),
)


class SegmentStore(Protocol):
    """Keeps segments. Every method may raise the store's unavailability; then the same call again is right."""

    async def get(self, segment_id: str) -> Segment | None:
        """Return a segment."""

    async def of_channel(self, channel: str, ids: frozenset[str]) -> Mapping[str, Segment]:
        """Return the account's segments of these ids; those that are not there are left out."""

    async def page(self, channels: Sequence[str] | None, after: str | None, limit: int) -> list[Segment]:
        """Return segments by id, after the given one; `channels` None means all."""

    async def add(self, segment: Segment, names: frozenset[str]) -> bool:
        """Add a segment that names others; False where its id is taken."""

    async def save(self, segment: Segment, names: frozenset[str]) -> bool:
        """Write a segment over the version before its own; False where it has changed since, or is gone."""

    async def delete(self, segment_id: str) -> None:
        """Delete a segment."""

    async def that_name(self, segment_id: str) -> list[str]:
        """Return the ids of some segments that name this one."""


def _document(segment: Segment, names: frozenset[str]) -> Document:
    return {
        "channel": segment.channel,
        "name": segment.name,
        "written": orjson.dumps(segment.written).decode(),
        "names": sorted(names),
        "created_at": segment.created_at,
        "created_by": segment.created_by,
        "updated_at": segment.updated_at,
        "updated_by": segment.updated_by,
        "version": segment.version,
        "request": segment.request,
    }


def _read(document: Document) -> Segment:
    return Segment(
        id=document["_id"],
        channel=document["channel"],
        name=document["name"],
        written=orjson.loads(document["written"]),
        created_at=document["created_at"],
        created_by=document["created_by"],
        updated_at=document["updated_at"],
        updated_by=document["updated_by"],
        version=document["version"],
        request=document["request"],
    )


class MongoSegments:
    """Segments in MongoDB. The expression is kept as text: nothing in it is for the store to understand."""

    def __init__(self, database: Database) -> None:
        self._segments = database[COLLECTION]

    async def get(self, segment_id: str) -> Segment | None:
        """Return a segment."""
        document = await self._segments.find_one({"_id": segment_id})
        return _read(document) if document else None

    async def of_channel(self, channel: str, ids: frozenset[str]) -> Mapping[str, Segment]:
        """Return the account's segments of these ids."""
        found = self._segments.find({"_id": {"$in": sorted(ids)}, "channel": channel})
        return {document["_id"]: _read(document) async for document in found}

    async def page(self, channels: Sequence[str] | None, after: str | None, limit: int) -> list[Segment]:
        """Return segments by id, after the given one."""
        query: Document = {} if channels is None else {"channel": {"$in": list(channels)}}
        if after is not None:
            query["_id"] = {"$gt": after}
        return [_read(document) async for document in self._segments.find(query).sort("_id", ASCENDING).limit(limit)]

    async def add(self, segment: Segment, names: frozenset[str]) -> bool:
        """Add a segment; False where its id is taken."""
        try:
            await self._segments.insert_one({"_id": segment.id, **_document(segment, names)})
        except DuplicateKeyError:
            return False
        return True

    async def save(self, segment: Segment, names: frozenset[str]) -> bool:
        """Write a segment over the version before its own."""
        before = {"_id": segment.id, "version": segment.version - 1}
        return bool((await self._segments.update_one(before, {"$set": _document(segment, names)})).matched_count)

    async def delete(self, segment_id: str) -> None:
        """Delete a segment."""
        await self._segments.delete_one({"_id": segment_id})

    async def that_name(self, segment_id: str) -> list[str]:
        """Return the ids of some segments that name this one."""
        found = self._segments.find({"names": segment_id}, {"_id": 1}).sort("_id", ASCENDING).limit(10)
        return [document["_id"] async for document in found]
