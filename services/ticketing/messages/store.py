"""Where messages are kept: a document each under its natural id; repeats and any order of writes come out even."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from services.ticketing.messages.model import PENDING, UNKNOWN, Delivery, Message, Text
from shared.ids import split_contact
from shared.mongo import DESCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "messages"
INDEXES: tuple[Index, ...] = (Index(COLLECTION, [("contact", DESCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),)

Position = tuple[datetime, str]
"""Where a list goes on: the time of the last shown message, and its stored id."""


class MessageStore(Protocol):
    """Keeps messages. Every write may be repeated."""

    async def keep(self, message: Message) -> None:
        """Keep an incoming message; of one that was unsent already only kind and time."""

    async def edit(self, contact: str, message_id: str, text: str, at: datetime) -> None:
        """Keep another text of a message, which may not have arrived yet."""

    async def unsend(self, contact: str, message_id: str, at: datetime) -> None:
        """Erase what a message said and leave a stub, also where it has not arrived yet."""

    async def add(self, message: Message) -> bool:
        """Keep an entry of our own, written once; False where one with its id is there."""

    async def get(self, channel: str, message_id: str) -> Message | None:
        """Return a message of an account."""

    async def await_end(self, items: Sequence[Document], at: datetime) -> None:
        """Keep answers that were just put on an outbox as pending, unless their end is known already."""

    async def end(self, item: Document, delivery: Delivery) -> None:
        """Keep what became of an answer."""

    async def page(self, contact: str, before: Position | None, limit: int) -> list[Message]:
        """Return a contact's messages, newest first by LINE's time."""

    async def forget(self, contact: str) -> None:
        """Delete the messages of an erased contact."""


def stored_id(channel: str, message_id: str) -> str:
    """Return the id under which a message of an account is stored."""
    return f"{channel}:{message_id}"


def _document(message: Message) -> Document:
    delivery = message.delivery
    return {
        "channel": message.channel,
        "contact": message.contact,
        "direction": message.direction,
        "kind": message.kind,
        "at": message.at,
        "payload": dict(message.payload) if message.payload is not None else None,
        "messages": [dict(each) for each in message.messages],
        "event_id": message.event_id,
        "by": message.by,
        "delivery": _delivery(delivery) if delivery else None,
        "digest": message.digest,
    }


def _delivery(delivery: Delivery) -> Document:
    return {
        "state": delivery.state,
        "api": delivery.api,
        "request_id": delivery.request_id,
        "at": delivery.at,
    }


def _texts(message: Message) -> list[Document]:
    return [{"at": version.at, "text": version.text} for version in message.texts]


def _read(document: Document) -> Message:
    delivery = document.get("delivery")
    return Message(
        id=document["_id"].partition(":")[2],
        channel=document["channel"],
        contact=document["contact"],
        direction=document["direction"],
        kind=document["kind"],
        at=document["at"],
        texts=tuple(Text(version["at"], version["text"]) for version in document.get("texts", [])),
        payload=document.get("payload"),
        messages=tuple(document.get("messages", ())),
        event_id=document.get("event_id"),
        unsent_at=document.get("unsent_at"),
        by=document.get("by"),
        delivery=Delivery(**delivery) if delivery else None,
        digest=document.get("digest"),
    )


class MongoMessages:
    """Messages in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._messages = database[COLLECTION]

    async def keep(self, message: Message) -> None:
        """Keep an incoming message: everything but its texts is the same whenever it comes."""
        change: Document = {"$set": _document(message)}
        if message.texts:
            change["$addToSet"] = {"texts": {"$each": _texts(message)}}
        if not await self._upsert(message.channel, message.id, change):
            stub = {"$set": {"kind": message.kind, "at": message.at}}
            await self._messages.update_one({"_id": stored_id(message.channel, message.id)}, stub)

    async def edit(self, contact: str, message_id: str, text: str, at: datetime) -> None:
        """Keep another text; nothing where the message was unsent."""
        change = {
            "$addToSet": {"texts": {"at": at, "text": text}},
            "$setOnInsert": _unknown(contact, "text", at),
        }
        await self._upsert(split_contact(contact)[0], message_id, change)

    async def unsend(self, contact: str, message_id: str, at: datetime) -> None:
        """Erase what a message said; see `MessageStore.unsend`."""
        channel, _ = split_contact(contact)
        erased: Document = {"unsent_at": at, "texts": [], "payload": None, "event_id": None}
        change = {"$set": erased, "$setOnInsert": _unknown(contact, UNKNOWN, at)}
        await self._upsert(channel, message_id, change)

    async def _upsert(self, channel: str, message_id: str, change: Document) -> bool:
        """Change or make a message that was not unsent; False where it was.

        The filter does not match an unsent one, so that the upsert runs into its id.
        """
        where = {"_id": stored_id(channel, message_id), "unsent_at": None}
        for _ in range(2):
            try:
                await self._messages.update_one(where, change, upsert=True)
            except DuplicateKeyError:
                continue
            return True
        return False

    async def add(self, message: Message) -> bool:
        """Keep an entry of our own, written once."""
        document = {"_id": stored_id(message.channel, message.id), **_document(message), "texts": _texts(message)}
        try:
            await self._messages.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    async def get(self, channel: str, message_id: str) -> Message | None:
        """Return a message of an account."""
        document = await self._messages.find_one({"_id": stored_id(channel, message_id)})
        return _read(document) if document else None

    async def await_end(self, items: Sequence[Document], at: datetime) -> None:
        """Keep answers as pending, unless their end is known already."""
        for item in items:
            await self._put(item, {"$setOnInsert": _answer(item, at) | {"delivery": _delivery(Delivery(PENDING))}})

    async def end(self, item: Document, delivery: Delivery) -> None:
        """Keep what became of an answer, with the words that were sent."""
        first = _answer(item, delivery.at)
        settings = {"delivery": _delivery(delivery), "messages": first.pop("messages")}
        await self._put(item, {"$set": settings, "$setOnInsert": first})

    async def _put(self, item: Document, change: Document) -> None:
        where = {"_id": stored_id(split_contact(item["contact"])[0], item["id"])}
        try:
            await self._messages.update_one(where, change, upsert=True)
        except DuplicateKeyError:
            await self._messages.update_one(where, change)

    async def page(self, contact: str, before: Position | None, limit: int) -> list[Message]:
        """Return a contact's messages, newest first by LINE's time."""
        query: dict[str, Any] = {"contact": contact}
        if before is not None:
            moment, last = before
            query["at"] = {"$lte": moment}
            query["$or"] = [{"at": {"$lt": moment}}, {"_id": {"$lt": last}}]
        cursor = self._messages.find(query).sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [_read(document) async for document in cursor]

    async def forget(self, contact: str) -> None:
        """Delete the messages of an erased contact."""
        await self._messages.delete_many({"contact": contact})


def _unknown(contact: str, kind: str, at: datetime) -> Document:
    """What is known of a message that is told of before it arrived."""
    channel, _ = split_contact(contact)
    return {"channel": channel, "contact": contact, "direction": "in", "kind": kind, "at": at}


def _answer(item: Document, at: datetime | None) -> Document:
    channel, _ = split_contact(item["contact"])
    return {
        "channel": channel,
        "contact": item["contact"],
        "direction": "out",
        "kind": item["purpose"],
        "at": at,
        "messages": item["messages"],
        "event_id": item["event_id"],
    }
