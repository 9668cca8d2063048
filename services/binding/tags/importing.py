"""Applying a CSV of tags: one change a member, bad rows left out and told by line (features F47)."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member
from services.binding.tags.model import IMPORT, TooManyTags, expire, has_tag, tag, untag
from services.binding.tags.rows import BadRow, Row, TagFile
from services.binding.tags.store import TagStore
from shared.clock import Now
from shared.tags import compared_tag

AT_ONCE = 16
"""Members changed side by side."""

CHANGED, UNCHANGED = "changed", "unchanged"
NOBODY = "no such member of this account"


@dataclass
class Imported:
    """What became of a file: how many rows changed something, how many did not, and which were refused."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[BadRow] = field(default_factory=list)


async def import_tags(channel: str, file: TagFile, store: TagStore, changes: MemberChanges, now: Now) -> Imported:
    """Apply a file's rows to the members of an account. The same file again changes nothing.

    Raises:
        WorldDown, BrokerUnavailable, PyMongoError: some rows may be applied; the same file again does the rest.
    """
    done = Imported(bad=list(file.bad))
    ids = await store.members_of(channel, file.identity, {row.who for row in file.rows})
    by_member: dict[str, list[Row]] = defaultdict(list)
    for row in file.rows:
        if row.who in ids:
            by_member[ids[row.who]].append(row)
        else:
            done.bad.append(BadRow(row.line, NOBODY))
    slots = asyncio.Semaphore(AT_ONCE)

    async def change(member_id: str, rows: Sequence[Row]) -> None:
        async with slots:
            await _change(member_id, rows, changes, now, done)

    try:
        async with asyncio.TaskGroup() as group:
            for member_id, rows in by_member.items():
                group.create_task(change(member_id, rows))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    done.bad.sort()
    return done


async def _change(member_id: str, rows: Sequence[Row], changes: MemberChanges, now: Now, done: Imported) -> None:
    outcomes: dict[Row, str] = {}

    def decide(member: Member) -> Change:
        outcomes.clear()
        return apply_rows(member, rows, now, outcomes)

    if await changes.of_member(member_id, decide) is None:
        outcomes = dict.fromkeys(rows, NOBODY)
    for row, outcome in outcomes.items():
        if outcome in {CHANGED, UNCHANGED}:
            done.outcomes[outcome] += 1
        else:
            done.bad.append(BadRow(row.line, outcome))


def apply_rows(member: Member, rows: Sequence[Row], now: Now, outcomes: dict[Row, str]) -> Change:
    """Apply the rows of one member, in order, and note by row whether it changed something, or why it was refused."""
    at = now()
    change = Change(facts=list(expire(member, at)))
    first: dict[str, Row] = {}
    for row in rows:
        compared = compared_tag(row.tag)
        earlier = first.setdefault(compared, row)
        if earlier.action != row.action:
            outcomes[row] = f"says the opposite of line {earlier.line}"
        elif has_tag(member, row.tag, at) == (row.action == "add"):
            outcomes[row] = UNCHANGED
        else:
            outcomes[row] = _apply(member, row, at, change)
    change.touched = bool(change.facts)
    return change


def _apply(member: Member, row: Row, at: datetime, change: Change) -> str:
    try:
        facts = tag(member, row.tag, IMPORT, at) if row.action == "add" else untag(member, row.tag, IMPORT, at)
    except TooManyTags as error:
        return str(error)
    change.facts += facts
    return CHANGED
