"""Where counters are kept: a document a series and bucket, a slot in it for each partition that feeds it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from services.insights.counters import campaigns
from services.insights.counters.buckets import Grain
from services.insights.counters.campaign_readings import PREFIX
from services.insights.counters.campaigns import Clicker, Heard, MongoCampaigns
from services.insights.counters.model import Change, CounterKey, Slot, Visit
from services.insights.counters.naming import campaign_of
from shared.mongo import ASCENDING, BulkWriteError, Database, Document, Index, UpdateOne, duplicate_positions

COUNTERS = "counters"
VISITS = "visits"
NEWEST = "newest"

INDEXES = (
    Index(COUNTERS, [("channel", ASCENDING), ("metric", ASCENDING), ("grain", ASCENDING), ("day", ASCENDING)]),
    Index(COUNTERS, [("campaign", ASCENDING)], sparse=True),
    Index(VISITS, [("channel", ASCENDING), ("day", ASCENDING)]),
    Index(NEWEST, [("channel", ASCENDING)]),
    *campaigns.INDEXES,
)


class DayVisit(NamedTuple):
    """A visit on a local date of an account."""

    channel: str
    day: str
    visit: Visit


class Count(NamedTuple):
    """A counter's value, of all its partitions."""

    metric: str
    dimension: str
    label: str
    value: int


class Browser(NamedTuple):
    """A browser (a hash of the visitor's id) that opened a link on a day."""

    link: str
    day: str
    browser: str


class Counters(Protocol):
    """What counting writes. Every call may be made again without another effect."""

    async def slots(self, keys: Collection[CounterKey], slot: str) -> dict[CounterKey, Slot]:
        """Return a partition's slot of each counter that has one."""

    async def swap(self, slot: str, moves: Sequence[Change]) -> bool:
        """Write each move whose slot still is what was read; False where one no longer was.

        Raises:
            PyMongoError: the store cannot be reached; any of the moves may have been written.
        """

    async def add_visits(self, visits: Iterable[DayVisit]) -> None:
        """Note visits; those that are noted are left."""

    async def note_clickers(self, clickers: Iterable[Clicker]) -> None:
        """Note who clicked which campaign; those that are noted are left."""

    async def note_campaigns(self, heard: Iterable[Heard]) -> None:
        """Note news of campaigns; the newest version of each field stays."""

    async def note_newest(self, topic: str, newest: Mapping[str, datetime]) -> None:
        """Note, by account, up to which event time a topic is counted; never takes it back."""


class MongoCounters:
    """The counters of insights' database, to write and to read.

    Partitions share documents, and some servers (DocumentDB) hold a bulk's locks to its end: every bulk goes through
    its documents in order of their ids, or two of them would wait for each other until one is refused.
    """

    def __init__(self, database: Database) -> None:
        self._counters = database[COUNTERS]
        self._visits = database[VISITS]
        self._newest = database[NEWEST]
        self.campaigns = MongoCampaigns(database)

    async def slots(self, keys: Collection[CounterKey], slot: str) -> dict[CounterKey, Slot]:
        """Return a partition's slot of each counter that has one."""
        by_id = {key.id: key for key in keys}
        found = self._counters.find({"_id": {"$in": list(by_id)}}, {f"slots.{slot}": 1})
        return {
            by_id[document["_id"]]: Slot(held["count"], held["offset"])
            async for document in found
            if (held := document.get("slots", {}).get(slot)) is not None
        }

    async def swap(self, slot: str, moves: Sequence[Change]) -> bool:
        """Write each move whose slot still is what was read; False where one no longer was."""
        updates = [_update(slot, move) for move in sorted(moves, key=lambda move: move.key.id)]
        try:
            done = await self._counters.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            # A refused upsert: the counter, or this slot of it, was made by another process in between.
            duplicate_positions(error)
            return False
        return bool(done.matched_count + done.upserted_count == len(moves))

    async def add_visits(self, visits: Iterable[DayVisit]) -> None:
        """Note visits; those that are noted are left."""
        documents = {document["_id"]: document for document in map(_visit, visits)}
        if not documents:
            return
        try:
            await self._visits.insert_many([documents[name] for name in sorted(documents)], ordered=False)
        except BulkWriteError as error:
            duplicate_positions(error)

    async def note_clickers(self, clickers: Iterable[Clicker]) -> None:
        """Note who clicked which campaign; those that are noted are left."""
        await self.campaigns.note_clickers(clickers)

    async def note_campaigns(self, heard: Iterable[Heard]) -> None:
        """Note news of campaigns; the newest version of each field stays."""
        await self.campaigns.note(heard)

    async def note_newest(self, topic: str, newest: Mapping[str, datetime]) -> None:
        """Note, by account, up to which event time a topic is counted; never takes it back."""
        updates = [
            UpdateOne(
                {"_id": f"{channel}|{topic}"},
                {"$max": {"at": moment}, "$setOnInsert": {"channel": channel, "topic": topic}},
                upsert=True,
            )
            for channel, moment in sorted(newest.items())
        ]
        while updates:
            try:
                await self._newest.bulk_write(updates, ordered=False)
            except BulkWriteError as error:
                # Two processes made the document at once; the second finds it now.
                updates = [updates[position] for position in duplicate_positions(error)]
            else:
                return

    async def counts(
        self, channel: str, metrics: Collection[str], grain: Grain, first: str, last: str
    ) -> AsyncIterator[Count]:
        """Yield the counters of an account between two local dates, both ends included."""
        where = {
            "channel": channel,
            "metric": {"$in": list(metrics)},
            "grain": grain,
            "day": {"$gte": first, "$lte": last},
        }
        async for document in self._counters.find(where):
            yield Count(document["metric"], document["dimension"], document["label"], _value(document))

    async def of_campaigns(self, channel: str, names: Collection[str]) -> AsyncIterator[Count]:
        """Yield the counters, by day, of campaigns from their beginning on, the clicks of their links among them."""
        where = {"campaign": {"$in": list(names)}, "channel": channel, "grain": "day"}
        async for document in self._counters.find(where):
            yield Count(document["metric"], document["dimension"], document["label"], _value(document))

    async def until(self, channel: str, metrics: Collection[str], day: str) -> dict[str, int]:
        """Return each metric's sum from the beginning up to a local date, which is not included."""
        sums = dict.fromkeys(metrics, 0)
        where = {"channel": channel, "metric": {"$in": list(metrics)}, "grain": "day", "day": {"$lt": day}}
        async for document in self._counters.find(where, {"metric": 1, "slots": 1}):
            sums[document["metric"]] += _value(document)
        return sums

    async def browsers(self, channel: str, first: str, last: str) -> AsyncIterator[Browser]:
        """Yield who opened which link on which day, once each, between two local dates, both ends included."""
        where = {"channel": channel, "day": {"$gte": first, "$lte": last}}
        async for document in self._visits.find(where, {"link": 1, "day": 1, "browser": 1}):
            yield Browser(document["link"], document["day"], document["browser"])

    async def newest(self, channel: str) -> dict[str, datetime]:
        """Return, by topic, the time of the newest event counted."""
        return {document["topic"]: document["at"] async for document in self._newest.find({"channel": channel})}


def _update(slot: str, move: Change) -> UpdateOne:
    field = f"slots.{slot}"
    write = {"$set": {field: {"count": move.after.total, "offset": move.after.offset}}}
    if move.before is not None:
        unchanged = {f"{field}.offset": move.before.offset, f"{field}.count": move.before.total}
        return UpdateOne({"_id": move.key.id, **unchanged}, write)
    made = {"$setOnInsert": _about(move.key)}
    return UpdateOne({"_id": move.key.id, field: {"$exists": False}}, write | made, upsert=True)


def _about(key: CounterKey) -> Document:
    bucket = key.bucket
    campaign = _campaign(key)
    return ({"campaign": campaign} if campaign else {}) | {
        "channel": key.channel,
        "metric": key.metric,
        "dimension": key.dimension,
        "grain": bucket.grain,
        "label": bucket.label,
        "day": bucket.day,
        "start": bucket.start,
    }


def _campaign(key: CounterKey) -> str | None:
    """Return the campaign that a series belongs to, by which all of a campaign's counters are found."""
    if key.metric.startswith(PREFIX):
        return key.dimension.partition(":")[0]
    return campaign_of(key.dimension.partition(":")[2]) if key.metric == "clicks" else None


def _value(document: Document) -> int:
    return sum(slot["count"] for slot in document["slots"].values())


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def _visit(seen: DayVisit) -> Document:
    """Keep a hash of the visitor: enough to count it once, nothing to follow it by."""
    channel, day, (link, visitor, _) = seen
    return {
        "_id": _digest(channel, day, link, visitor),
        "channel": channel,
        "day": day,
        "link": link,
        "browser": _digest(channel, visitor),
    }
