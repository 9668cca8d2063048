"""Where members are kept: one document a member, every change one compare-and-set write with its outbox items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from services.binding.members.model import Contact, CustomerKey, KeyChange, Member, Tag
from shared.ids import member_id
from shared.mongo import ASCENDING, Collection, Database, Document, DuplicateKeyError, Index
from shared.outbox import outbox_indexes

COLLECTION = "members"
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("contact_ids", ASCENDING)], unique=True, sparse=True),
    Index(COLLECTION, [("key_compared", ASCENDING)], unique=True, sparse=True),
    Index(COLLECTION, [("channel", ASCENDING), ("_id", ASCENDING)]),
    Index(COLLECTION, [("channel", ASCENDING), ("bound", ASCENDING), ("_id", ASCENDING)]),
    *outbox_indexes(COLLECTION),
)

_CONTACT_FIELDS: tuple[str, ...] = (
    "id",
    "following",
    "changed_at",
    "first_followed_at",
    "followed_at",
    "unfollowed_at",
    "source",
    "source_basis",
    "first_seen_at",
    "last_seen_at",
)


class Conflict(Exception):
    """Someone else changed the member since it was read: read it again."""


class KeyTaken(Exception):
    """Another member of the account holds this customer key."""


class MemberStore(Protocol):
    """Keeps members. Every method may raise the store's unavailability; then the same call again is right."""

    async def get(self, member_id: str) -> Member | None:
        """Return a member, the skeleton of an erased one included."""

    async def by_contact(self, contact_id: str) -> Member | None:
        """Return the member that has this contact."""

    async def save(self, member: Member, pending: Sequence[Document], at: datetime) -> None:
        """Write a member read at `member.version` (0: new) with its new outbox items, as one write.

        `member.version` is one higher after it.

        Raises:
            Conflict: it has been changed since, or the contact or id has been taken by a new member.
            KeyTaken: another member of the account holds the customer key.
        """

    async def see_published(self, member_id: str, versions: Sequence[int]) -> bool:
        """Note snapshot versions in the order the topic has them; True where an older one came after a newer."""

    async def page(
        self, channels: Sequence[str] | None, *, bound: bool | None, after: str | None, limit: int
    ) -> list[Member]:
        """Return members by id, after the given one; `channels` None means all."""


def _contact_document(contact: Contact) -> Document:
    document: Document = {name: getattr(contact, name) for name in _CONTACT_FIELDS}
    document["offsets"] = [{"topic": topic, "offset": offset} for topic, offset in contact.offsets.items()]
    return document


def _read_contact(document: Document) -> Contact:
    offsets = {entry["topic"]: entry["offset"] for entry in document["offsets"]}
    fields: Document = {name: document.get(name) for name in _CONTACT_FIELDS}
    return Contact(offsets=offsets, **fields)


def _tag_document(compared: str, tag: Tag) -> Document:
    """Return how a tag is kept."""
    about = {"name": tag.name, "origin": tag.origin, "since": tag.since, "expires_at": tag.expires_at}
    return {"compared": compared, **about}


def read_tag(document: Document) -> Tag:
    """Read a tag that was kept."""
    return Tag(document["name"], document["origin"], document["since"], document["expires_at"])


def _fields(member: Member) -> tuple[Document, Document]:
    """Return what to set and what to unset: indexed fields without a value must be absent (sparse indexes)."""
    settings: Document = {
        "channel": member.channel,
        "version": member.version,
        "bound": member.bound,
        "contacts": [_contact_document(contact) for contact in member.contacts.values()],
        "history": [{"at": c.at, "by": c.by, "old": c.old, "new": c.new} for c in member.history],
        "tags": [_tag_document(compared, tag) for compared, tag in member.tags.items()],
        "tagged": bool(member.tags),
        "created_at": member.created_at,
        "updated_at": member.updated_at,
        "erased_at": member.erased_at,
    }
    removals: Document = {}
    optional: Document = {
        "contact_ids": list(member.contacts) or None,
        "key": {"value": member.key.value, "since": member.key.since, "by": member.key.by} if member.key else None,
        "key_compared": f"{member.channel}/{member.key.compared}" if member.key else None,
        "tags_expire_at": member.tags_expire_at,
    }
    for name, value in optional.items():
        if value is None:
            removals[name] = ""
        else:
            settings[name] = value
    return settings, removals


def _read_member(document: Document) -> Member:
    key = document.get("key")
    contacts = [_read_contact(entry) for entry in document["contacts"]]
    return Member(
        id=document["_id"],
        channel=document["channel"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        version=document["version"],
        contacts={contact.id: contact for contact in contacts},
        key=CustomerKey(key["value"], key["since"], key["by"]) if key else None,
        history=[KeyChange(entry["at"], entry["by"], entry["old"], entry["new"]) for entry in document["history"]],
        tags={entry["compared"]: read_tag(entry) for entry in document.get("tags", [])},
        erased_at=document.get("erased_at"),
        waiting=len(document.get("pending", [])),
    )


class MongoMembers:
    """Members in MongoDB."""

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database[COLLECTION]

    async def get(self, member_id: str) -> Member | None:
        """Return a member, the skeleton of an erased one included."""
        document = await self.collection.find_one({"_id": member_id})
        return _read_member(document) if document else None

    async def by_contact(self, contact_id: str) -> Member | None:
        """Return the member that has this contact: mostly the one it made, found by its id without a second index."""
        made = await self.get(member_id(contact_id))
        if made is not None and contact_id in made.contacts:
            return made
        document = await self.collection.find_one({"contact_ids": contact_id})
        return _read_member(document) if document else None

    async def save(self, member: Member, pending: Sequence[Document], at: datetime) -> None:
        """Write a member as one compare-and-set on its version; see `MemberStore.save`."""
        expected, member.version = member.version, member.version + 1
        try:
            if expected == 0:
                await self._insert(member, pending, at)
            elif not await self._update(member, expected, pending, at):
                raise Conflict(member.id)
        except DuplicateKeyError as error:
            member.version = expected
            if "key_compared" in str(error.details or error):
                raise KeyTaken from None
            raise Conflict(member.id) from None
        except BaseException:
            member.version = expected
            raise

    async def _insert(self, member: Member, pending: Sequence[Document], at: datetime) -> None:
        settings, _ = _fields(member)
        since = {"pending_since": at} if pending else {}
        await self.collection.insert_one({"_id": member.id, **settings, "pending": list(pending), **since})

    async def _update(self, member: Member, expected: int, pending: Sequence[Document], at: datetime) -> bool:
        settings, removals = _fields(member)
        change: dict[str, Any] = {"$set": settings}
        if removals:
            change["$unset"] = removals
        if pending:
            settings["pending_since"] = at
            change["$push"] = {"pending": {"$each": list(pending)}}
        result = await self.collection.update_one({"_id": member.id, "version": expected}, change)
        return bool(result.matched_count)

    async def see_published(self, member_id: str, versions: Sequence[int]) -> bool:
        """Note published versions; True where an older one came after a newer."""
        document = await self.collection.find_one({"_id": member_id}, {"published_version": 1})
        if document is None:
            return False
        before = highest = int(document.get("published_version", 0))
        out_of_order = False
        for version in versions:
            out_of_order = version < highest
            highest = max(highest, version)
        if highest > before:
            await self.collection.update_one({"_id": member_id}, {"$max": {"published_version": highest}})
        return out_of_order

    async def page(
        self, channels: Sequence[str] | None, *, bound: bool | None, after: str | None, limit: int
    ) -> list[Member]:
        """Return members by id, after the given one."""
        query: Document = {"erased_at": None}
        if channels is not None:
            query["channel"] = channels[0] if len(channels) == 1 else {"$in": list(channels)}
        if bound is not None:
            query["bound"] = bound
        if after is not None:
            query["_id"] = {"$gt": after}
        cursor = self.collection.find(query).sort("_id", ASCENDING).limit(limit)
        return [_read_member(document) async for document in cursor]
