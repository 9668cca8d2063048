"""Looking through the members by their tags; members change by `MemberChanges` alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from services.binding.members.model import BadKey, Tag, normalise_key
from services.binding.members.store import COLLECTION, read_tag
from shared.ids import split_contact
from shared.mongo import ASCENDING, Database, Document, Index

INDEXES = (
    Index(COLLECTION, [("channel", ASCENDING), ("tagged", ASCENDING), ("_id", ASCENDING)]),
    Index(COLLECTION, [("tags_expire_at", ASCENDING)], sparse=True),
)

LOOKED_UP = 500
"""Identities of one query."""

Identity = Literal["member", "contact", "customer_key"]
IDENTITIES: tuple[Identity, ...] = ("member", "contact", "customer_key")
"""What may name a member of an account: its id, a contact, or the customer key."""


class TagCount(NamedTuple):
    """How many members of an account have a tag; where they spell it differently, one of the spellings."""

    compared: str
    name: str
    members: int


@dataclass(frozen=True, slots=True)
class Tagged:
    """A member and its tags."""

    id: str
    contacts: tuple[str, ...]
    customer_key: str | None
    tags: tuple[Tag, ...]


class TagStore(Protocol):
    """What tags need to find."""

    async def due(self, at: datetime, limit: int) -> list[str]:
        """Return members with a tag that has expired, the longest over first."""

    async def counts(self, channel: str, after: str | None, limit: int) -> list[TagCount]:
        """Return the tags of an account's members in order of their compared form, after the given one."""

    def tagged(self, channel: str) -> AsyncIterator[Tagged]:
        """Yield every member of an account that has tags, by id."""

    async def members_of(self, channel: str, identity: Identity, values: Collection[str]) -> dict[str, str]:
        """Return the ids of an account's members by what names them; those nobody has are left out."""


class MongoTags:
    """Tags in the members' collection."""

    def __init__(self, database: Database) -> None:
        self._members = database[COLLECTION]

    async def due(self, at: datetime, limit: int) -> list[str]:
        """Return members with a tag that has expired."""
        found = self._members.find({"tags_expire_at": {"$lte": at}}, {"_id": 1}).sort("tags_expire_at", ASCENDING)
        return [document["_id"] async for document in found.limit(limit)]

    async def counts(self, channel: str, after: str | None, limit: int) -> list[TagCount]:
        """Return the tags of an account's members, counted."""
        later = [{"$match": {"tags.compared": {"$gt": after}}}] if after is not None else []
        stages: list[Document] = [
            {"$match": {"channel": channel, "tagged": True}},
            {"$project": {"tags": 1}},
            {"$unwind": "$tags"},
            *later,
            {"$group": {"_id": "$tags.compared", "name": {"$min": "$tags.name"}, "members": {"$sum": 1}}},
            {"$sort": {"_id": 1}},
            {"$limit": limit},
        ]
        found = self._members.aggregate(stages)
        return [TagCount(document["_id"], document["name"], document["members"]) async for document in found]

    async def tagged(self, channel: str) -> AsyncIterator[Tagged]:
        """Yield every member of an account that has tags, by id."""
        wanted = {"contact_ids": 1, "key": 1, "tags": 1}
        found = self._members.find({"channel": channel, "tagged": True}, wanted).sort("_id", ASCENDING)
        async for document in found:
            yield Tagged(
                document["_id"],
                tuple(document.get("contact_ids", ())),
                document["key"]["value"] if "key" in document else None,
                tuple(read_tag(entry) for entry in document["tags"]),
            )

    async def members_of(self, channel: str, identity: Identity, values: Collection[str]) -> dict[str, str]:
        """Return the ids of an account's members by what names them."""
        field = {"member": "_id", "contact": "contact_ids", "customer_key": "key_compared"}[identity]
        named = _stored(channel, identity, values)
        wanted = sorted(named)
        ids: dict[str, str] = {}
        for start in range(0, len(wanted), LOOKED_UP):
            where = {field: {"$in": wanted[start : start + LOOKED_UP]}, "channel": channel, "erased_at": None}
            async for document in self._members.find(where, {field: 1}):
                held = document[field]
                for stored in held if isinstance(held, list) else [held]:
                    ids |= dict.fromkeys(named.get(stored, ()), document["_id"])
        return ids


def _stored(channel: str, identity: Identity, values: Collection[str]) -> dict[str, list[str]]:
    """Return the given values by the form in which the store has them; what cannot name a member is left out."""
    named: dict[str, list[str]] = {}
    for value in values:
        stored: str | None = value
        if identity == "customer_key":
            try:
                stored = f"{channel}/{normalise_key(value)}"
            except BadKey:
                stored = None
        elif identity == "contact" and split_contact(value)[0] != channel:
            stored = None
        if stored is not None:
            named.setdefault(stored, []).append(value)
    return named
