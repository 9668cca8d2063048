"""Where people are kept: a document a contact. An account's people are a stretch of the ids, since a contact begins
with its account: so a walk and a count need no index but the primary one, which every server reads in order.

What a member clicked is kept in `clicks`, a document a member, and copied onto its people, whichever of the two comes
first: `clicks_version` says which state of it a person has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from services.broadcast.people.model import Clicks, Person, with_click
from shared.consumer import WorldDown
from shared.mongo import (
    ASCENDING,
    Database,
    Document,
    DuplicateKeyError,
    ExecutionTimeout,
    Index,
)

PEOPLE = "people"
CLICKS = "clicks"

INDEXES: tuple[Index, ...] = (Index(PEOPLE, [("member", ASCENDING)]),)

ASK_SECONDS = 5.0
"""How long the store may work on one question of staff."""
_ATTEMPTS = 20

T = TypeVar("T")


class TooSlow(Exception):
    """The store did not answer a question within `ASK_SECONDS`."""


class PeopleStore(Protocol):
    """Keeps people. Every method may raise the store's unavailability; then the same call again is right.

    A filter is what `services.broadcast.segments.model.compile_filter` makes.
    """

    async def apply(self, member: str, version: int, people: Sequence[Person]) -> None:
        """Write a member's snapshot where it is newer than what is kept, and remove contacts it no longer has."""

    async def forget(self, member: str) -> None:
        """Remove everything about an erased member."""

    async def note_click(self, member: str, link: str) -> None:
        """Remember that a member opened a tracked link; the same one again changes nothing."""

    async def walk(self, channel: str, where: Document, after: str | None, limit: int) -> list[Person]:
        """Return people who match, reachable or not, upward by contact, after the given one."""

    async def count(self, channel: str, where: Document, *, reachable: bool = False) -> int:
        """Count people who match; with `reachable`, those of them who are friends.

        Raises:
            TooSlow: see there.
        """

    async def sample(self, channel: str, where: Document, limit: int) -> list[Person]:
        """Return some people who match, upward by contact.

        Raises:
            TooSlow: see there.
        """


def _fields(person: Person) -> Document:
    return {
        "channel": person.channel,
        "member": person.member,
        "version": person.version,
        "updated_at": person.updated_at,
        "bound": person.bound,
        "tags": list(person.tags),
        "source": person.source,
        "following": person.following,
        "followed_at": person.followed_at,
        "unfollowed_at": person.unfollowed_at,
        "first_seen_at": person.first_seen_at,
        "last_seen_at": person.last_seen_at,
    }


def _clicked(links: Sequence[str], campaigns: Sequence[str], version: int) -> Document:
    return {"clicked_links": list(links), "clicked_campaigns": list(campaigns), "clicks_version": version}


def person_document(person: Person) -> Document:
    """Return a person as it lies in the store, with no clicks noted but its own."""
    clicked = _clicked(person.clicked_links, person.clicked_campaigns, 0)
    return {"_id": person.contact, **_fields(person), **clicked}


def _read(document: Document) -> Person:
    return Person(
        contact=document["_id"],
        channel=document["channel"],
        member=document["member"],
        version=document["version"],
        updated_at=document["updated_at"],
        bound=document["bound"],
        tags=tuple(document["tags"]),
        source=document["source"],
        following=document["following"],
        followed_at=document["followed_at"],
        unfollowed_at=document["unfollowed_at"],
        first_seen_at=document["first_seen_at"],
        last_seen_at=document["last_seen_at"],
        clicked_links=tuple(document["clicked_links"]),
        clicked_campaigns=tuple(document["clicked_campaigns"]),
    )


class MongoPeople:
    """People in MongoDB."""

    def __init__(self, database: Database, ask_seconds: float = ASK_SECONDS) -> None:
        self._people = database[PEOPLE]
        self._clicks = database[CLICKS]
        self._ask_seconds = ask_seconds

    async def apply(self, member: str, version: int, people: Sequence[Person]) -> None:
        """Write a member's snapshot; see `PeopleStore.apply`."""
        for person in people:
            await self._put(person)
        kept = [person.contact for person in people]
        left = {"member": member, "version": {"$lt": version}, "_id": {"$nin": kept}}
        await self._people.delete_many(left)
        # A click is stored before it is copied to people, a person before clicks are read: one of them sees the other.
        await self._copy_clicks(member, await self._clicks_of(member))

    async def _put(self, person: Person) -> None:
        if await self._update(person):
            return
        try:
            await self._people.insert_one(person_document(person))
        except DuplicateKeyError:
            if not await self._update(person):
                await self._take_over(person)

    async def _update(self, person: Person) -> bool:
        older = {"_id": person.contact, "member": person.member, "version": {"$lt": person.version}}
        return bool((await self._people.update_one(older, {"$set": _fields(person)})).matched_count)

    async def _take_over(self, person: Person) -> None:
        """Take a contact from another member; versions of two members do not compare, their times do."""
        others = {"_id": person.contact, "member": {"$ne": person.member}, "updated_at": {"$lt": person.updated_at}}
        await self._people.update_one(others, {"$set": _fields(person) | _clicked((), (), 0)})

    async def forget(self, member: str) -> None:
        """Remove everything about an erased member."""
        await self._people.delete_many({"member": member})
        await self._clicks.delete_one({"_id": member})

    async def note_click(self, member: str, link: str) -> None:
        """Remember that a member opened a tracked link; see `PeopleStore.note_click`."""
        for _ in range(_ATTEMPTS):
            before = await self._clicks_of(member)
            after = with_click(before, link)
            if after is before or await self._write_clicks(member, before, after):
                return await self._copy_clicks(member, after)
        raise WorldDown(f"a member's clicks kept changing during {_ATTEMPTS} attempts")

    async def _clicks_of(self, member: str) -> Clicks:
        document = await self._clicks.find_one({"_id": member})
        if document is None:
            return Clicks()
        return Clicks(tuple(document["links"]), tuple(document["campaigns"]), document["version"])

    async def _write_clicks(self, member: str, before: Clicks, after: Clicks) -> bool:
        fields = {"links": list(after.links), "campaigns": list(after.campaigns), "version": after.version}
        if before.version:
            same = {"_id": member, "version": before.version}
            return bool((await self._clicks.update_one(same, {"$set": fields})).matched_count)
        try:
            await self._clicks.insert_one({"_id": member, **fields})
        except DuplicateKeyError:
            return False
        return True

    async def _copy_clicks(self, member: str, clicks: Clicks) -> None:
        if not clicks.version:
            return
        older = {"member": member, "clicks_version": {"$lt": clicks.version}}
        copy = _clicked(clicks.links, clicks.campaigns, clicks.version)
        await self._people.update_many(older, {"$set": copy})

    async def walk(self, channel: str, where: Document, after: str | None, limit: int) -> list[Person]:
        """Return people who match, upward by contact, after the given one."""
        found = self._people.find(_of_channel(channel, where, after)).sort("_id", ASCENDING).limit(limit)
        return [_read(document) async for document in found]

    async def count(self, channel: str, where: Document, *, reachable: bool = False) -> int:
        """Count people who match; see `PeopleStore.count`."""
        query = _of_channel(channel, where) | ({"following": True} if reachable else {})
        counting = self._people.count_documents(query, maxTimeMS=self._milliseconds)
        return int(await self._ask(counting))

    async def sample(self, channel: str, where: Document, limit: int) -> list[Person]:
        """Return some people who match; see `PeopleStore.sample`."""
        found = self._people.find(_of_channel(channel, where)).sort("_id", ASCENDING).limit(limit)
        documents: list[Document] = await self._ask(found.max_time_ms(self._milliseconds).to_list(limit))
        return [_read(document) for document in documents]

    @property
    def _milliseconds(self) -> int:
        return max(1, round(self._ask_seconds * 1000))

    async def _ask(self, question: Awaitable[T]) -> T:
        """Bound a question on both sides: not every server keeps to `maxTimeMS`."""
        try:
            async with asyncio.timeout(self._ask_seconds):
                return await question
        except (TimeoutError, ExecutionTimeout):
            raise TooSlow from None


def _of_channel(channel: str, where: Document, after: str | None = None) -> Document:
    """Return the query for an account's people, above a contact. `;` is the character after `:`."""
    scope: Document = {"_id": {"$gt": after or f"{channel}:", "$lt": f"{channel};"}}
    return scope | {"$and": [where]} if where else scope
