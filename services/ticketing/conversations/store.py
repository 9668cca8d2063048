"""Where conversations are kept: a document a contact, every change one compare-and-set write with its outbox items."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.ticketing.conversations.model import Conversation, ReplyToken, State
from shared.mongo import ASCENDING, DESCENDING, Collection, Database, Document, DuplicateKeyError, Index
from shared.outbox import outbox_indexes

COLLECTION = "conversations"
_NEWEST = [("last_at", DESCENDING), ("_id", DESCENDING)]
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("channel", ASCENDING), *_NEWEST]),
    *(
        Index(COLLECTION, [("channel", ASCENDING), (field, ASCENDING), *_NEWEST])
        for field in ("state", "assignee", "team", "is_unread")
    ),
    *outbox_indexes(COLLECTION),
)
"""One index a filter, each in the order of lists: a list with several filters walks the narrowest the server picks."""

_FIELDS: tuple[str, ...] = (
    "channel",
    "created_at",
    "last_at",
    "state",
    "opening",
    "opened_at",
    "resolved_at",
    "first_response_at",
    "last_in_at",
    "last_out_at",
    "unread",
    "assignee",
    "team",
    "priority",
    "tags",
    "replies",
    "flow",
)


class Conflict(Exception):
    """Someone else changed the conversation since it was read: read it again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations a list shows; None means: any."""

    state: State | None = None
    assignee: str | None = None
    team: str | None = None
    unread: bool | None = None


Position = tuple[datetime, str]
"""Where a list goes on: the time of the last shown conversation's newest activity, and its id."""


class ConversationStore(Protocol):
    """Keeps conversations. Every method may raise the store's unavailability; then the same call again is right."""

    async def get(self, contact: str) -> Conversation | None:
        """Return a contact's conversation."""

    async def save(self, conversation: Conversation, pending: Sequence[Document], at: datetime) -> None:
        """Write a conversation read at `conversation.version` (0: new) with its new outbox items, as one write.

        `conversation.version` is one higher after it.

        Raises:
            Conflict: it has been changed since, or was made by someone else.
        """

    async def page(
        self, channels: Sequence[str], wanted: Wanted, after: Position | None, limit: int
    ) -> list[Conversation]:
        """Return conversations of these accounts, newest activity first, after the given position."""

    async def forget(self, contact: str) -> None:
        """Delete the conversation of an erased contact."""


def _document(conversation: Conversation) -> Document:
    token = conversation.token
    return {
        **{name: getattr(conversation, name) for name in _FIELDS},
        "version": conversation.version,
        "is_unread": conversation.unread > 0,
        "token": {"value": token.value, "received_at": token.received_at} if token else None,
        "offsets": [{"topic": topic, "offset": offset} for topic, offset in conversation.offsets.items()],
    }


def _read(document: Document) -> Conversation:
    fields: dict[str, Any] = {name: document[name] for name in _FIELDS}
    token = document["token"]
    return Conversation(
        id=document["_id"],
        version=document["version"],
        token=ReplyToken(token["value"], token["received_at"]) if token else None,
        offsets={entry["topic"]: entry["offset"] for entry in document["offsets"]},
        waiting=len(document.get("pending", [])),
        **fields,
    )


def _newest(conversation: Conversation) -> Position:
    return conversation.last_at, conversation.id


class MongoConversations:
    """Conversations in MongoDB."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[COLLECTION]

    async def get(self, contact: str) -> Conversation | None:
        """Return a contact's conversation."""
        document = await self.collection.find_one({"_id": contact})
        return _read(document) if document else None

    async def save(self, conversation: Conversation, pending: Sequence[Document], at: datetime) -> None:
        """Write a conversation as one compare-and-set on its version; see `ConversationStore.save`."""
        expected, conversation.version = conversation.version, conversation.version + 1
        try:
            if expected == 0:
                await self._insert(conversation, pending, at)
            elif not await self._update(conversation, expected, pending, at):
                raise Conflict
        except DuplicateKeyError:
            conversation.version = expected
            raise Conflict from None
        except BaseException:
            conversation.version = expected
            raise

    async def _insert(self, conversation: Conversation, pending: Sequence[Document], at: datetime) -> None:
        since = {"pending_since": at} if pending else {}
        document = {"_id": conversation.id, **_document(conversation), "pending": list(pending), **since}
        await self.collection.insert_one(document)

    async def _update(
        self, conversation: Conversation, expected: int, pending: Sequence[Document], at: datetime
    ) -> bool:
        settings = _document(conversation)
        change: dict[str, Any] = {"$set": settings}
        if pending:
            settings["pending_since"] = at
            change["$push"] = {"pending": {"$each": list(pending)}}
        result = await self.collection.update_one({"_id": conversation.id, "version": expected}, change)
        return bool(result.matched_count)

    async def page(
        self, channels: Sequence[str], wanted: Wanted, after: Position | None, limit: int
    ) -> list[Conversation]:
        """Return conversations, one ordered read an account, merged: a sort over several accounts has no index."""
        pages = [await self._page_of(channel, wanted, after, limit) for channel in channels]
        return list(heapq.merge(*pages, key=_newest, reverse=True))[:limit]

    async def _page_of(self, channel: str, wanted: Wanted, after: Position | None, limit: int) -> list[Conversation]:
        query: Document = {"channel": channel}
        for field, value in (
            ("state", wanted.state),
            ("assignee", wanted.assignee),
            ("team", wanted.team),
            ("is_unread", wanted.unread),
        ):
            if value is not None:
                query[field] = value
        if after is not None:
            moment, contact = after
            query["last_at"] = {"$lte": moment}
            query["$or"] = [{"last_at": {"$lt": moment}}, {"_id": {"$lt": contact}}]
        cursor = self.collection.find(query).sort(_NEWEST).limit(limit)
        return [_read(document) async for document in cursor]

    async def forget(self, contact: str) -> None:
        """Delete the conversation of an erased contact."""
        await self.collection.delete_one({"_id": contact})
