"""Where tickets are kept: one document a ticket, every change one compare-and-set write with its outbox items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.ticketing.clocks.model import Stopwatch
from services.ticketing.tickets.model import Breach, Clocks, Entry, State, Ticket
from shared.mongo import (
    ASCENDING,
    DESCENDING,
    Collection,
    Database,
    Document,
    DuplicateKeyError,
    Index,
    ReturnDocument,
)
from shared.outbox import outbox_indexes

COLLECTION = "tickets"
COUNTERS = "ticket_numbers"
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("channel", ASCENDING), ("number", DESCENDING)], unique=True),
    Index(COLLECTION, [("channel", ASCENDING), ("state", ASCENDING), ("number", DESCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("assignee", ASCENDING), ("number", DESCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("team", ASCENDING), ("number", DESCENDING)]),
    Index(COLLECTION, [("contact", ASCENDING), ("number", DESCENDING)]),
    Index(COLLECTION, [("breach_due_at", ASCENDING)], sparse=True),
    *outbox_indexes(COLLECTION),
)

_PLAIN: tuple[str, ...] = (
    *("number", "channel", "kind", "opened_at", "opened_by", "answers", "photos", "sources"),
    *("phone_verified", "state", "assignee", "team", "priority", "closed_at", "request", "version"),
)
_OPTIONAL = {"contact": "contact", "member": "member", "due_at": "breach_due_at"}
"""Fields that are absent where they have no value: a sparse index holds only what is due."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tickets of an account to list; None leaves open. `contact` is one of the account's."""

    state: State | None = None
    assignee: str | None = None
    team: str | None = None
    contact: str | None = None


def _clocks_document(clocks: Clocks) -> Document:
    return {
        "worked_seconds": clocks.watch.worked.total_seconds(),
        "running_since": clocks.watch.since,
        "first_response_at": clocks.first_response_at,
        "first_response_seconds": clocks.first_response_seconds,
        "resolution_seconds": clocks.resolution_seconds,
    }


def _read_clocks(document: Document) -> Clocks:
    watch = Stopwatch(timedelta(seconds=document["worked_seconds"]), document["running_since"])
    return Clocks(
        watch,
        document["first_response_at"],
        document["first_response_seconds"],
        document["resolution_seconds"],
    )


def _fields(ticket: Ticket) -> tuple[Document, Document]:
    """Return what to set and what to unset."""
    settings: Document = {name: getattr(ticket, name) for name in _PLAIN}
    settings["clocks"] = _clocks_document(ticket.clocks)
    settings["history"] = [
        {"at": entry.at, "by": entry.by, "field": entry.field, "old": entry.old, "new": entry.new}
        for entry in ticket.history
    ]
    settings["breaches"] = [{"target": breach.target, "at": breach.at} for breach in ticket.breaches]
    optional = {stored: getattr(ticket, name) for name, stored in _OPTIONAL.items()}
    settings |= {name: value for name, value in optional.items() if value is not None}
    return settings, {name: "" for name, value in optional.items() if value is None}


def _read_ticket(document: Document) -> Ticket:
    fields: dict[str, Any] = {name: document[name] for name in _PLAIN}
    fields |= {name: document.get(stored) for name, stored in _OPTIONAL.items()}
    return Ticket(
        id=document["_id"],
        clocks=_read_clocks(document["clocks"]),
        history=[Entry(**entry) for entry in document["history"]],
        breaches=[Breach(**breach) for breach in document["breaches"]],
        waiting=len(document.get("pending", [])),
        **fields,
    )


class MongoTickets:
    """Tickets in MongoDB."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[COLLECTION]
        self._counters = database[COUNTERS]

    async def get(self, ticket_id: str) -> Ticket | None:
        """Return a ticket."""
        document = await self.collection.find_one({"_id": ticket_id})
        return _read_ticket(document) if document else None

    async def next_number(self, channel: str) -> int:
        """Take an account's next number; it is nobody else's, and lost where no ticket comes to bear it.

        The counter is asked for as it was before: as it is after, some servers show two callers the later one's.
        """
        while True:
            try:
                counter = await self._counters.find_one_and_update(
                    {"_id": channel}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.BEFORE
                )
            except DuplicateKeyError:
                continue
            return int(counter["last"]) + 1 if counter is not None else 1

    async def add(self, ticket: Ticket, pending: Sequence[Document], at: datetime) -> bool:
        """Insert a new ticket, as version 1, with its outbox items; False where its id or number is taken."""
        ticket.version = 1
        settings, _ = _fields(ticket)
        content = {"_id": ticket.id, **settings, "pending": list(pending), "pending_since": at}
        try:
            await self.collection.insert_one(content)
        except DuplicateKeyError:
            return False
        return True

    async def catch_up(self, channel: str) -> None:
        """Raise an account's counter to its highest number: one restored from an older backup would repeat some."""
        highest = await self.collection.find_one({"channel": channel}, {"number": 1}, sort=[("number", DESCENDING)])
        if highest is not None:
            await self._counters.update_one({"_id": channel}, {"$max": {"last": highest["number"]}}, upsert=True)

    async def save(self, ticket: Ticket, pending: Sequence[Document], at: datetime) -> bool:
        """Write a ticket read at `ticket.version` with its new outbox items, as one write; `version` is one higher
        after it. False where it has been changed since."""
        expected = ticket.version
        ticket.version = expected + 1
        settings, removals = _fields(ticket)
        change: dict[str, Any] = {"$set": settings}
        if removals:
            change["$unset"] = removals
        if pending:
            settings["pending_since"] = at
            change["$push"] = {"pending": {"$each": list(pending)}}
        result = await self.collection.update_one({"_id": ticket.id, "version": expected}, change)
        return bool(result.matched_count)

    async def page(self, channel: str, narrow: Filter, *, before: int | None, limit: int) -> list[Ticket]:
        """Return tickets of an account, the highest number first, below the given one."""
        query: Document = {"contact": narrow.contact} if narrow.contact is not None else {"channel": channel}
        for name in ("state", "assignee", "team"):
            if (value := getattr(narrow, name)) is not None:
                query[name] = value
        if before is not None:
            query["number"] = {"$lt": before}
        cursor = self.collection.find(query).sort("number", DESCENDING).limit(limit)
        return [_read_ticket(document) async for document in cursor]

    async def of_contact(self, contact: str, limit: int = 200) -> list[Ticket]:
        """Return a contact's tickets, the newest first."""
        cursor = self.collection.find({"contact": contact}).sort("number", DESCENDING).limit(limit)
        return [_read_ticket(document) async for document in cursor]

    async def overdue(self, at: datetime, limit: int) -> list[str]:
        """Return ids of tickets with a target that is due by a moment, the longest due first."""
        due = self.collection.find({"breach_due_at": {"$lte": at}}, {"_id": 1}).sort("breach_due_at", ASCENDING)
        return [document["_id"] async for document in due.limit(limit)]

    async def unsend(self, contact: str, message_id: str) -> None:
        """Take what an unsent message said out of its sender's tickets (LINE asks for it); it may be repeated."""
        for ticket in await self.of_contact(contact):
            said = {f"answers.{name}": "" for name, source in ticket.sources.items() if source == message_id}
            if said or message_id in ticket.photos:
                change: Document = {"$pull": {"photos": message_id}, "$inc": {"version": 1}}
                await self.collection.update_one({"_id": ticket.id}, change | ({"$unset": said} if said else {}))

    async def forget(self, contact: str) -> None:
        """Take a person out of their tickets: what they answered, their pictures, who they are, what was still to be
        sent. Number, states and history stay."""
        nothing: Document = {"answers": {}, "photos": [], "sources": {}, "request": None, "pending": []}
        change = {
            "$set": nothing | {"phone_verified": "unknown"},
            "$unset": {"contact": "", "member": "", "pending_since": ""},
            "$inc": {"version": 1},
        }
        await self.collection.update_many({"contact": contact}, change)
