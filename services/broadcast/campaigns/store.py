"""Where campaigns are kept: one document a campaign, every change one compare-and-set write with its outbox items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from services.broadcast.campaigns.links import TrackedLink
from services.broadcast.campaigns.model import (
    BLAME,
    IN_FLIGHT,
    Audience,
    BlockLimit,
    Campaign,
    Frozen,
    Schedule,
    State,
    Step,
)
from shared.line.prepared import MOST_RECIPIENTS
from shared.mongo import ASCENDING, DESCENDING, Collection, Database, Document, DuplicateKeyError, Index
from shared.outbox import outbox_indexes

COLLECTION = "campaigns"
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("channel", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("unit", ASCENDING)], unique=True),
    Index(COLLECTION, [("channel", ASCENDING), ("blame_until", ASCENDING)]),
    Index(COLLECTION, [("state", ASCENDING), ("schedule.at", ASCENDING)]),
    *outbox_indexes(COLLECTION),
)
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


class Conflict(Exception):
    """Someone else changed the campaign since it was read: read it again."""


class UnitTaken(Exception):
    """Another campaign of the account has this aggregation unit."""


class CampaignStore(Protocol):
    """Keeps campaigns. Every method may raise the store's unavailability; then the same call again is right."""

    async def get(self, campaign_id: str) -> Campaign | None:
        """Return a campaign."""

    async def insert(self, campaign: Campaign, pending: Sequence[Document], at: datetime) -> bool:
        """Write a new campaign as version 1; False where its id is there already.

        Raises:
            UnitTaken: another campaign of the account has its unit.
        """

    async def save(self, campaign: Campaign, pending: Sequence[Document], at: datetime) -> None:
        """Write a campaign read at `campaign.version` with its new outbox items, as one write; the version rises by 1.

        Raises:
            Conflict: it has been changed since.
            UnitTaken: another campaign of the account has its unit.
        """

    async def note_frozen(self, campaign_id: str, before: int, frozen: Frozen) -> bool:
        """Note one more chunk of an audience that had `before`; False where it has moved on or is not being frozen."""

    async def note_blocked(self, campaign_id: str, blocked: int) -> None:
        """Raise the number of recipients that blocked; a lower one changes nothing."""

    async def in_state(self, state: State) -> list[Campaign]:
        """Return the campaigns in a state, the one planned first first."""

    async def running(self) -> list[tuple[str, str]]:
        """Return id and account of the campaigns that run, the oldest first; cheap."""

    async def due(self, at: datetime) -> list[str]:
        """Return the campaigns whose planned start has come."""

    async def blamable(self, channel: str, at: datetime) -> list[str]:
        """Return the campaigns of an account that a block at this moment may be charged to."""

    async def page(
        self, channels: Sequence[str], state: State | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[Campaign]:
        """Return campaigns, newest first, after the one of this creation time and id."""


def _json(value: Any) -> str:
    """Return what staff wrote as text: its member names need not be names of fields."""
    return orjson.dumps(value).decode()


def _fields(campaign: Campaign) -> Document:
    audience = campaign.audience
    return {
        "channel": campaign.channel,
        "name": campaign.name,
        "segment": audience.segment,
        "expression": _json(audience.expression),
        "pinned": _json(audience.pinned),
        "messages": _json(campaign.messages),
        "content": _json(campaign.content),
        "links": [{"id": link.id, "url": link.url, "place": link.place} for link in campaign.links],
        "unit": campaign.unit,
        "notification_disabled": campaign.notification_disabled,
        "chunk_size": campaign.chunk_size,
        "block_limit": _block_limit(campaign.block_limit),
        "over_quota": campaign.over_quota,
        "state": campaign.state,
        "paused_reason": campaign.paused_reason,
        "schedule": {"at": campaign.schedule.at, "zone": campaign.schedule.zone} if campaign.schedule else None,
        "started_at": campaign.started_at,
        "ended_at": campaign.ended_at,
        "blame_until": _blame_until(campaign),
        "history": [
            {"at": step.at, "by": step.by, "state": step.state, "reason": step.reason} for step in campaign.history
        ],
        "version": campaign.version,
        "start_request": campaign.start_request,
        "updated_at": campaign.updated_at,
    }


def _block_limit(limit: BlockLimit | None) -> Document | None:
    return None if limit is None else {"per_1000": limit.per_1000, "least": limit.least}


def _blame_until(campaign: Campaign) -> datetime | None:
    if campaign.started_at is None:
        return None
    return _FOR_EVER if campaign.ended_at is None else campaign.ended_at + IN_FLIGHT + BLAME


def _frozen(frozen: Frozen) -> Document:
    return {
        "chunks": frozen.chunks,
        "through": frozen.through,
        "recipients": frozen.recipients,
        "skipped": dict(frozen.skipped),
        "done": frozen.done,
    }


def _read(document: Document) -> Campaign:
    limit, schedule = document["block_limit"], document["schedule"]
    expressions = orjson.loads(document["expression"]), orjson.loads(document["pinned"])
    return Campaign(
        id=document["_id"],
        channel=document["channel"],
        name=document["name"],
        audience=Audience(document["segment"], *expressions),
        messages=orjson.loads(document["messages"]),
        content=orjson.loads(document["content"]),
        links=[TrackedLink(link["id"], link["url"], link["place"]) for link in document["links"]],
        unit=document["unit"],
        notification_disabled=document["notification_disabled"],
        chunk_size=document.get("chunk_size", MOST_RECIPIENTS),
        block_limit=None if limit is None else BlockLimit(limit["per_1000"], limit["least"]),
        over_quota=document["over_quota"],
        state=document["state"],
        paused_reason=document["paused_reason"],
        schedule=None if schedule is None else Schedule(schedule["at"], schedule["zone"]),
        frozen=Frozen(**document["frozen"]),
        blocked=document["blocked"],
        started_at=document["started_at"],
        ended_at=document["ended_at"],
        history=[Step(step["at"], step["by"], step["state"], step["reason"]) for step in document["history"]],
        version=document["version"],
        request=document["request"],
        start_request=document["start_request"],
        created_at=document["created_at"],
        created_by=document["created_by"],
        updated_at=document["updated_at"],
        waiting=len(document.get("pending", [])),
    )


class MongoCampaigns:
    """Campaigns in MongoDB."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[COLLECTION]

    async def get(self, campaign_id: str) -> Campaign | None:
        """Return a campaign."""
        document = await self.collection.find_one({"_id": campaign_id})
        return _read(document) if document else None

    async def insert(self, campaign: Campaign, pending: Sequence[Document], at: datetime) -> bool:
        """Write a new campaign; see `CampaignStore.insert`."""
        campaign.version = 1
        document = _fields(campaign) | {
            "_id": campaign.id,
            "frozen": _frozen(campaign.frozen),
            "blocked": 0,
            "request": campaign.request,
            "created_at": campaign.created_at,
            "created_by": campaign.created_by,
            "pending": list(pending),
            "pending_since": at,
        }
        try:
            await self.collection.insert_one(document)
        except DuplicateKeyError:
            if await self.collection.find_one({"_id": campaign.id}, {"_id": 1}) is None:
                raise UnitTaken(campaign.unit) from None
            return False
        return True

    async def save(self, campaign: Campaign, pending: Sequence[Document], at: datetime) -> None:
        """Write a campaign as one compare-and-set on its version; see `CampaignStore.save`."""
        expected, campaign.version = campaign.version, campaign.version + 1
        change: Document = {"$set": _fields(campaign) | {"frozen.done": campaign.frozen.done}}
        if pending:
            change["$push"] = {"pending": {"$each": list(pending)}}
            change["$set"]["pending_since"] = at
        try:
            result = await self.collection.update_one({"_id": campaign.id, "version": expected}, change)
        except DuplicateKeyError:
            campaign.version = expected
            raise UnitTaken(campaign.unit) from None
        if not result.matched_count:
            campaign.version = expected
            raise Conflict(campaign.id)

    async def note_frozen(self, campaign_id: str, before: int, frozen: Frozen) -> bool:
        """Note one more chunk; see `CampaignStore.note_frozen`."""
        as_read = {"_id": campaign_id, "state": "freezing", "frozen.chunks": before}
        return bool((await self.collection.update_one(as_read, {"$set": {"frozen": _frozen(frozen)}})).matched_count)

    async def note_blocked(self, campaign_id: str, blocked: int) -> None:
        """Raise the number of recipients that blocked."""
        await self.collection.update_one({"_id": campaign_id}, {"$max": {"blocked": blocked}})

    async def in_state(self, state: State) -> list[Campaign]:
        """Return the campaigns in a state."""
        found = self.collection.find({"state": state}).sort([("state", ASCENDING), ("schedule.at", ASCENDING)])
        return [_read(document) async for document in found]

    async def running(self) -> list[tuple[str, str]]:
        """Return id and account of the campaigns that run."""
        found = self.collection.find({"state": "running"}, {"channel": 1, "started_at": 1})
        documents = [document async for document in found]
        ordered = sorted(documents, key=lambda document: (document["started_at"], document["_id"]))
        return [(document["_id"], document["channel"]) for document in ordered]

    async def due(self, at: datetime) -> list[str]:
        """Return the campaigns whose planned start has come."""
        query = {"state": "scheduled", "schedule.at": {"$lte": at}}
        found = self.collection.find(query, {"_id": 1}).sort([("state", ASCENDING), ("schedule.at", ASCENDING)])
        return [document["_id"] async for document in found]

    async def blamable(self, channel: str, at: datetime) -> list[str]:
        """Return the campaigns of an account that a block at this moment may be charged to."""
        query = {"channel": channel, "blame_until": {"$gte": at}}
        return [document["_id"] async for document in self.collection.find(query, {"_id": 1})]

    async def page(
        self, channels: Sequence[str], state: State | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[Campaign]:
        """Return campaigns, newest first."""
        query: Document = {"channel": channels[0] if len(channels) == 1 else {"$in": list(channels)}}
        if state is not None:
            query["state"] = state
        if after is not None:
            at, last = after
            query["$or"] = [{"created_at": {"$lt": at}}, {"created_at": at, "_id": {"$lt": last}}]
        ordered = self.collection.find(query).sort([("created_at", DESCENDING), ("_id", DESCENDING)])
        return [_read(document) async for document in ordered.limit(limit)]
