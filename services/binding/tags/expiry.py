"""Tags whose time is over leave by themselves, within seconds."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member
from services.binding.tags.model import expire
from services.binding.tags.store import TagStore
from shared.clock import Now
from shared.mongo import Database
from shared.schedule import Lease, repeating_leased

EVERY_SECONDS = 2.0
AT_ONCE = 500


class TagExpiry:
    """Takes expired tags off their members: one process at a time, each member one compare-and-set."""

    def __init__(self, store: TagStore, changes: MemberChanges, now: Now) -> None:
        self._store = store
        self._changes = changes
        self._now = now

    async def expire_once(self) -> int:
        """Take off what has expired; return how many members were looked at."""
        due = await self._store.due(self._now(), AT_ONCE)
        for member_id in due:
            await self._changes.of_member(member_id, self._decide)
        return len(due)

    def _decide(self, member: Member) -> Change:
        return Change(facts=list(expire(member, self._now())))

    @contextlib.asynccontextmanager
    async def expiring(self, database: Database) -> AsyncIterator[None]:
        """Expire in the background."""

        async def step() -> None:
            while await self.expire_once() == AT_ONCE:
                continue

        lease = Lease(database, "tags.expiry", seconds=30, now=self._now)
        async with repeating_leased(lease, "expiry of tags", EVERY_SECONDS, step):
            yield
