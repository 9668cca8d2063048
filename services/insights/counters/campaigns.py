"""What is kept of campaigns besides counters: name and state, newest wins, and who clicked, once each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from services.insights.counters.model import CampaignNews, Visit
from services.insights.counters.naming import campaign_of
from shared.mongo import (
    ASCENDING,
    DESCENDING,
    BulkWriteError,
    Database,
    Document,
    DuplicateKeyError,
    Index,
    duplicate_positions,
)

CAMPAIGNS = "campaigns"
CLICKERS = "clickers"

INDEXES = (
    Index(CAMPAIGNS, [("channel", ASCENDING), ("first_at", DESCENDING)]),
    Index(CLICKERS, [("channel", ASCENDING), ("campaign", ASCENDING), ("kind", ASCENDING)]),
)

ClickerKind = Literal["browser", "member", "named_browser"]
"""A browser that clicked; a member whose own link was clicked; a browser that clicked on a member's own link."""


class Heard(NamedTuple):
    """News of a campaign of an account, at its own time."""

    channel: str
    at: datetime
    news: CampaignNews


class Clicker(NamedTuple):
    """Somebody who clicked a link of a campaign."""

    channel: str
    campaign: str
    kind: ClickerKind
    who: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is known of a campaign; name and state are None until broadcast told them."""

    id: str
    name: str | None
    state: str | None
    reason: str | None
    first_at: datetime
    last_at: datetime
    frozen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Clickers:
    """How many clicked: different browsers, and members whose own links were clicked."""

    browsers: int = 0
    members: int = 0
    named_browsers: int = 0

    @property
    def people(self) -> int:
        """Members, and the browsers that never clicked a member's own link."""
        return self.members + self.browsers - self.named_browsers


def clickers_of(channel: str, visit: Visit) -> Iterable[Clicker]:
    """Return whom a visit shows to have clicked a campaign; nobody where the link is of none."""
    campaign = campaign_of(visit.link)
    if campaign is None:
        return
    yield Clicker(channel, campaign, "browser", visit.visitor)
    if visit.member is not None:
        yield Clicker(channel, campaign, "member", visit.member)
        yield Clicker(channel, campaign, "named_browser", visit.visitor)


class MongoCampaigns:
    """Campaigns and their clickers in MongoDB; every write may be made again, in any order."""

    def __init__(self, database: Database) -> None:
        self._campaigns = database[CAMPAIGNS]
        self._clickers = database[CLICKERS]

    async def note(self, heard: Iterable[Heard]) -> None:
        """Note news: of each field the newest version stays, whichever comes last."""
        by_id: dict[str, list[Heard]] = {}
        for item in heard:
            by_id.setdefault(f"{item.channel}|{item.news.campaign}", []).append(item)
        for document_id, items in sorted(by_id.items()):
            await self._register(document_id, items)
            await self._set_newest(document_id, "state", [item for item in items if item.news.state is not None])
            await self._set_newest(document_id, "name", [item for item in items if item.news.name is not None])

    async def _register(self, document_id: str, items: Sequence[Heard]) -> None:
        times = [item.at for item in items]
        frozen = [item.at for item in items if item.news.frozen]
        about = {"channel": items[0].channel, "campaign": items[0].news.campaign}
        change: Document = {"$setOnInsert": about, "$min": {"first_at": min(times)}, "$max": {"last_at": max(times)}}
        if frozen:
            change["$min"]["frozen_at"] = min(frozen)
        try:
            await self._campaigns.update_one({"_id": document_id}, change, upsert=True)
        except DuplicateKeyError:
            # Two processes made the document at once; the second finds it now.
            await self._campaigns.update_one({"_id": document_id}, change)

    async def _set_newest(self, document_id: str, field: str, items: Sequence[Heard]) -> None:
        if not items:
            return
        version, at, news = max(
            ((item.news.version, item.at, item.news) for item in items), key=lambda found: found[:2]
        )
        value = {"version": version, "at": at, "value": getattr(news, field)}
        if field == "state":
            value["reason"] = news.reason
        older = [
            {field: {"$exists": False}},
            {f"{field}.version": {"$lt": version}},
            {f"{field}.version": version, f"{field}.at": {"$lt": at}},
        ]
        await self._campaigns.update_one({"_id": document_id, "$or": older}, {"$set": {field: value}})

    async def note_clickers(self, clickers: Iterable[Clicker]) -> None:
        """Note who clicked; those that are noted are left."""
        documents = {document["_id"]: document for document in map(_document, clickers)}
        if not documents:
            return
        try:
            await self._clickers.insert_many([documents[name] for name in sorted(documents)], ordered=False)
        except BulkWriteError as error:
            duplicate_positions(error)

    async def get(self, channel: str, campaign: str) -> Campaign | None:
        """Return a campaign of an account."""
        document = await self._campaigns.find_one({"_id": f"{channel}|{campaign}"})
        return _campaign(document) if document else None

    async def between(self, channel: str, begin: datetime, end: datetime, limit: int) -> list[Campaign]:
        """Return an account's campaigns of which something was heard in a time, the newest first."""
        where = {"channel": channel, "first_at": {"$lt": end}, "last_at": {"$gte": begin}}
        found = self._campaigns.find(where).sort("first_at", DESCENDING).limit(limit)
        return [_campaign(document) async for document in found]

    async def clickers(self, channel: str, campaigns: Sequence[str]) -> dict[str, Clickers]:
        """Return how many clicked each of the campaigns; those nobody clicked are left out."""
        stages: list[Document] = [
            {"$match": {"channel": channel, "campaign": {"$in": list(campaigns)}}},
            {"$group": {"_id": {"campaign": "$campaign", "kind": "$kind"}, "count": {"$sum": 1}}},
        ]
        counts: dict[str, dict[str, int]] = {}
        async for document in self._clickers.aggregate(stages):
            group = document["_id"]
            counts.setdefault(group["campaign"], {})[f"{group['kind']}s"] = document["count"]
        return {campaign: Clickers(**kinds) for campaign, kinds in counts.items()}


def _document(clicker: Clicker) -> Document:
    """Keep a hash of who it is: enough to count once within the campaign, nothing to follow anybody by."""
    channel, campaign, kind, _ = clicker
    digest = hashlib.blake2b("\x1f".join(clicker).encode(), digest_size=16).hexdigest()
    return {"_id": digest, "channel": channel, "campaign": campaign, "kind": kind}


def _campaign(document: Document) -> Campaign:
    state: Document = document.get("state", {})
    return Campaign(
        document["campaign"],
        document.get("name", {}).get("value"),
        state.get("value"),
        state.get("reason"),
        document["first_at"],
        document["last_at"],
        document.get("frozen_at"),
    )
