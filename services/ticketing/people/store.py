"""Where people are kept: one document a contact, replaced only by newer snapshots."""

from __future__ import annotations

from dataclasses import asdict
from typing import Protocol

from services.ticketing.people.model import Person
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "people"
INDEXES: tuple[Index, ...] = (Index(COLLECTION, [("member", ASCENDING)]),)


class PeopleStore(Protocol):
    """Keeps people."""

    async def get(self, contact: str) -> Person | None:
        """Return who a contact is."""

    async def see(self, person: Person) -> None:
        """Keep a contact of whom nothing else is known yet, so that an erasure of its member finds it."""

    async def apply(self, person: Person) -> None:
        """Keep what a snapshot tells, unless a newer one of the same member was here before."""

    async def drop_others(self, member: str, contacts: list[str], version: int) -> None:
        """Drop the contacts that a member no longer has in a snapshot."""

    async def contacts_of(self, member: str) -> list[str]:
        """Return a member's contacts."""

    async def forget(self, contact: str) -> None:
        """Delete an erased contact."""


def _document(person: Person) -> Document:
    fields = asdict(person)
    del fields["contact"]
    return {**fields, "keys": list(person.keys), "tags": list(person.tags)}


def _read(document: Document) -> Person:
    return Person(
        contact=document["_id"],
        member=document["member"],
        version=document["version"],
        bound=document["bound"],
        keys=tuple(document["keys"]),
        tags=tuple(document["tags"]),
        following=document["following"],
        source=document["source"],
        updated_at=document["updated_at"],
    )


class MongoPeople:
    """People in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._people = database[COLLECTION]

    async def get(self, contact: str) -> Person | None:
        """Return who a contact is."""
        document = await self._people.find_one({"_id": contact})
        return _read(document) if document else None

    async def see(self, person: Person) -> None:
        """Keep a contact, unless it is there."""
        try:
            await self._people.insert_one({"_id": person.contact, **_document(person)})
        except DuplicateKeyError:
            return

    async def apply(self, person: Person) -> None:
        """Keep what a snapshot tells: newer by version, or by time where the contact went to another member."""
        older = {
            "_id": person.contact,
            "$or": [
                {"member": person.member, "version": {"$lt": person.version}},
                {"member": {"$ne": person.member}, "updated_at": {"$lte": person.updated_at}},
                {"version": 0},
            ],
        }
        try:
            await self._people.update_one(older, {"$set": _document(person)}, upsert=True)
        except DuplicateKeyError:
            return

    async def drop_others(self, member: str, contacts: list[str], version: int) -> None:
        """Drop the contacts that a member no longer has."""
        gone = {"member": member, "_id": {"$nin": contacts}, "version": {"$gt": 0, "$lt": version}}
        await self._people.delete_many(gone)

    async def contacts_of(self, member: str) -> list[str]:
        """Return a member's contacts."""
        return [document["_id"] async for document in self._people.find({"member": member}, {"_id": 1})]

    async def forget(self, contact: str) -> None:
        """Delete an erased contact."""
        await self._people.delete_one({"_id": contact})
