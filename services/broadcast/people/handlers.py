"""`member.state` into people, clicks of `web.events` onto them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from services.broadcast.people.model import people_of
from services.broadcast.people.store import PeopleStore
from shared.consumer import BadRecord, Record
from shared.events import WEB_EVENT, LinkClicked, MemberSnapshot


@dataclass(frozen=True)
class PeopleDeps:
    """What the handlers need: the store, and when a member was erased, if it was."""

    people: PeopleStore
    erased_at: Callable[[str], datetime | None]


async def on_member_state(records: Sequence[Record], deps: PeopleDeps) -> None:
    """Bring a member's people up to its newest snapshot; a tombstone removes them.

    Only the newest version of the run after its last tombstone matters: each snapshot is the whole member.
    """
    member = (records[0].key or b"").decode("utf-8", "replace")
    snapshots: list[MemberSnapshot] = []
    for record in records:
        if record.value is None:
            await deps.people.forget(member)
            snapshots = []
        else:
            snapshots.append(_snapshot(record.value))
    newest = max(snapshots, key=lambda snapshot: snapshot.version, default=None)
    if newest is None or _outlived(newest, deps):
        return
    await deps.people.apply(newest.id, newest.version, people_of(newest))


def _snapshot(value: bytes) -> MemberSnapshot:
    try:
        return MemberSnapshot.model_validate_json(value)
    except ValidationError as error:
        raise BadRecord(f"no member snapshot: {error.error_count()} fields are wrong") from None


def _outlived(snapshot: MemberSnapshot, deps: PeopleDeps) -> bool:
    """Whether the person was erased after this state of it, however late it was published."""
    erased_at = deps.erased_at(snapshot.id)
    return erased_at is not None and snapshot.updated_at <= erased_at


async def on_web_events(records: Sequence[Record], deps: PeopleDeps) -> None:
    """Remember which links a named member opened; robots, browsers without a name and other events are no matter."""
    for record in records:
        event = _web_event(record)
        if isinstance(event, LinkClicked) and event.member is not None and not event.robot:
            erased_at = deps.erased_at(event.member)
            if erased_at is None or event.occurred_at > erased_at:
                await deps.people.note_click(event.member, event.link)


def _web_event(record: Record) -> object:
    try:
        return WEB_EVENT.validate_json(record.value or b"")
    except ValidationError as error:
        if any(problem["type"] == "union_tag_invalid" for problem in error.errors(include_input=False)):
            return None
        raise BadRecord(f"no web event: {error.error_count()} fields are wrong") from None
