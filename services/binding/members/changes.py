"""Changing a member: read, decide, write by compare-and-set with its outbox items, dispatch (design §5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.binding.members.model import Member, snapshot
from services.binding.members.store import Conflict, MemberStore
from shared import topics
from shared.clock import Now
from shared.consumer import WorldDown
from shared.events import MemberFact
from shared.ids import member_id, split_contact
from shared.mongo import Document
from shared.outbox import Outbox, publication

ATTEMPTS = 50


@dataclass
class Change:
    """What a decision did to a member: facts to tell, whether its snapshot is worth telling, what to send to LINE."""

    facts: list[MemberFact] = field(default_factory=list)
    sends: list[Document] = field(default_factory=list)
    tell: bool = False
    touched: bool = False
    """Whether there is anything to write at all."""


Decide = Callable[[Member], Change]
"""Changes the given member in place and says what follows. It may run several times, each time on a fresh read."""


def outbox_items(member: Member, change: Change) -> list[Document]:
    """Return the items of a change about to be written: facts in order, the snapshot, what goes to LINE."""
    items = [publication(topics.MEMBER_EVENTS, member.id, fact, fact.id) for fact in change.facts]
    if change.tell or change.facts:
        items.append(state_item(member, member.version + 1))
    return items + change.sends


def state_item(member: Member, version: int, suffix: str = "") -> Document:
    """Return the item that publishes a member's snapshot."""
    return publication(topics.MEMBER_STATE, member.id, snapshot(member, version), f"{member.id}.v{version}{suffix}")


class MemberChanges:
    """The one way in which members change."""

    def __init__(self, store: MemberStore, outbox: Outbox, now: Now) -> None:
        self.store = store
        self._outbox = outbox
        self._now = now

    async def of_contact(self, contact_id: str, decide: Decide) -> Member:
        """Change the member of a contact, making both on the contact's first event of any kind."""
        new_id = member_id(contact_id)
        reads = 0

        async def read() -> Member:
            """Look where the contact's own member would be; elsewhere only when the unique index says that it is."""
            nonlocal reads
            reads += 1
            found = await self.store.get(new_id)
            if found is not None and contact_id in found.contacts:
                return found
            if found is not None or reads > 1:
                found = await self.store.by_contact(contact_id) or found
            return found or self._new_member(new_id, split_contact(contact_id)[0])

        member = await self._change(read, decide)
        if member is None:
            raise AssertionError("a contact always has a member")
        return member

    async def of_member(self, wanted: str, decide: Decide) -> Member | None:
        """Change a member by id; None where there is none, or it was erased."""

        async def read() -> Member | None:
            found = await self.store.get(wanted)
            return None if found is None or found.erased_at is not None else found

        return await self._change(read, decide)

    def _new_member(self, new_id: str, channel: str) -> Member:
        now = self._now()
        return Member(id=new_id, channel=channel, created_at=now, updated_at=now)

    async def _change(self, read: Callable[[], Awaitable[Member | None]], decide: Decide) -> Member | None:
        for attempt in range(ATTEMPTS):
            member = await read()
            if member is None:
                return None
            try:
                await self._write(member, decide, self._now())
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.005 * (attempt + 1)))  # noqa: S311
            else:
                return member
        raise WorldDown(f"the member kept changing during {ATTEMPTS} attempts")

    async def _write(self, member: Member, decide: Decide, at: datetime) -> None:
        alone = member.waiting == 0
        change = decide(member)
        if not change.touched and not change.facts and not change.sends and not change.tell:
            return
        if change.tell or change.facts:
            member.updated_at = at
        items = outbox_items(member, change)
        await self.store.save(member, items, at)
        if items:
            await self._outbox.dispatch(member.id, items if alone else None)
