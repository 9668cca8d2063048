"""Test sends: a campaign's content pushed to a few named contacts, each kept on a document of its own with its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.answers import notice_item
from shared.clock import Now
from shared.mongo import ASCENDING, Collection, Database, Document, DuplicateKeyError, Index
from shared.outbox import Outbox, outbox_indexes
from shared.producer import BrokerUnavailable

COLLECTION = "trials"
PURPOSE = "campaign_test"
_KEPT = timedelta(days=35)
_LIFE = timedelta(minutes=10)
"""A test that comes later only confuses."""
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("trial", ASCENDING), ("_id", ASCENDING)]),
    Index(COLLECTION, [("at", ASCENDING)], expire_seconds=int(_KEPT.total_seconds())),
    *outbox_indexes(COLLECTION),
)


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """What became of a test for one contact; `end` is None while it waits for LINE."""

    contact: str
    end: str | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A request to send a test."""

    id: str
    campaign: str
    request: str
    """Digest of the request, to tell a repeat from another."""
    at: datetime
    ends: tuple[TrialEnd, ...]


class MongoTrials:
    """Test sends in MongoDB."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[COLLECTION]

    async def get(self, trial_id: str) -> Trial | None:
        """Return a test with what became of it so far."""
        documents = [each async for each in self.collection.find({"trial": trial_id}).sort("_id", ASCENDING)]
        if not documents:
            return None
        first = documents[0]
        ends = tuple(TrialEnd(each["contact"], each["end"], each["request_id"]) for each in documents)
        return Trial(trial_id, first["campaign"], first["request"], first["at"], ends)

    async def add(self, trial: Trial, messages: Sequence[Mapping[str, Any]]) -> list[str]:
        """Keep a test for each of its contacts; one that is there stands. Returns the ids of their documents."""
        ids = [f"{trial.id}.{number:02d}" for number in range(len(trial.ends))]
        for document_id, end in zip(ids, trial.ends, strict=True):
            item = notice_item(
                document_id,
                purpose=PURPOSE,
                messages=messages,
                contact=end.contact,
                at=trial.at,
                origin=trial.campaign,
                expires_in=_LIFE,
            )
            document = {
                "_id": document_id,
                "trial": trial.id,
                "campaign": trial.campaign,
                "request": trial.request,
                "at": trial.at,
                "contact": end.contact,
                "end": None,
                "request_id": None,
                "pending": [item],
                "pending_since": trial.at,
            }
            await self._insert(document)
        return ids

    async def _insert(self, document: Document) -> None:
        try:
            await self.collection.insert_one(document)
        except DuplicateKeyError:
            if await self.collection.find_one({"_id": document["_id"]}, {"_id": 1}) is None:
                raise

    async def note_end(self, document_id: str, _: Document, end: str, request_id: str | None) -> None:
        """Note how a test ended; the courier may say so twice."""
        change = {"$set": {"end": end, "request_id": request_id}}
        await self.collection.update_one({"_id": document_id, "end": None}, change)


class TrialSender:
    """Sends tests."""

    def __init__(self, trials: MongoTrials, outbox: Outbox, now: Now) -> None:
        self.trials = trials
        self._outbox = outbox
        self._now = now

    async def send(
        self, trial_id: str, campaign: str, request: str, contacts: Sequence[str], messages: Sequence[Mapping[str, Any]]
    ) -> Trial:
        """Send a test, once for its id; returns what is known of it when LINE has been asked for everyone."""
        ends = tuple(TrialEnd(contact, None, None) for contact in contacts)
        trial = Trial(trial_id, campaign, request, self._now(), ends)
        ids = await self.trials.add(trial, messages)
        await asyncio.gather(*(self._dispatch(document_id) for document_id in ids))
        return await self.trials.get(trial_id) or trial

    async def _dispatch(self, document_id: str) -> None:
        try:
            await self._outbox.dispatch(document_id)
        except BrokerUnavailable:
            return  # what is left to tell waits on the document for the relay
