"""Groups and rooms: whether the account is in them, by LINE's own time order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from shared.ids import split_contact
from shared.mongo import Database, DuplicateKeyError

COLLECTION = "groups"


class GroupStore(Protocol):
    """Keeps groups and rooms."""

    async def see(self, contact_id: str, kind: str, at: datetime) -> None:
        """Register a group on its first event of any kind."""

    async def set_joined(self, contact_id: str, joined: bool, at: datetime) -> None:
        """Note that the account joined or left, unless something newer is known."""

    async def set_members(self, contact_id: str, joined: Mapping[str, bool], at: datetime) -> None:
        """Note which members joined (True) or left (False), each unless something newer is known."""

    async def forget(self, contact_id: str) -> None:
        """Delete an erased contact from the groups of its account."""


class MongoGroups:
    """Groups in MongoDB; every write is idempotent and ordered by event time."""

    def __init__(self, database: Database) -> None:
        self._groups = database[COLLECTION]

    async def see(self, contact_id: str, kind: str, at: datetime) -> None:
        """Register a group."""
        first = {"channel": split_contact(contact_id)[0], "kind": kind, "first_seen_at": at, "joined": True}
        try:
            await self._groups.update_one(
                {"_id": contact_id}, {"$setOnInsert": first, "$max": {"last_seen_at": at}}, upsert=True
            )
        except DuplicateKeyError:
            await self._groups.update_one({"_id": contact_id}, {"$max": {"last_seen_at": at}})

    async def set_joined(self, contact_id: str, joined: bool, at: datetime) -> None:
        """Note that the account joined or left."""
        older = {"_id": contact_id, "$or": [{"changed_at": None}, {"changed_at": {"$lt": at}}]}
        await self._groups.update_one(older, {"$set": {"joined": joined, "changed_at": at}})

    async def set_members(self, contact_id: str, joined: Mapping[str, bool], at: datetime) -> None:
        """Note which members joined or left."""
        for user_id, present in joined.items():
            older = {
                "_id": contact_id,
                "$or": [{f"members.{user_id}.at": None}, {f"members.{user_id}.at": {"$lt": at}}],
            }
            await self._groups.update_one(older, {"$set": {f"members.{user_id}": {"present": present, "at": at}}})

    async def forget(self, contact_id: str) -> None:
        """Delete an erased contact from the groups of its account."""
        channel, user_id = split_contact(contact_id)
        present = {"channel": channel, f"members.{user_id}": {"$exists": True}}
        await self._groups.update_many(present, {"$unset": {f"members.{user_id}": ""}})
