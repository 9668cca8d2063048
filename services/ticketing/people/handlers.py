"""member.state: who contacts are; a tombstone erases a person from the whole desk (features E13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.ticketing.people.model import people_of
from services.ticketing.people.store import PeopleStore
from shared.consumer import BadRecord, Record
from shared.events import MemberSnapshot

Eraser = Callable[[str], Awaitable[None]]
"""Deletes whatever a room keeps of a contact; it may run twice."""


@dataclass(frozen=True)
class PeopleDeps:
    """What the handler needs. `erasers` holds one a room that keeps something of a contact."""

    people: PeopleStore
    erasers: Sequence[Eraser]


async def on_member_state(records: Sequence[Record], deps: PeopleDeps) -> None:
    """Apply the waiting snapshots of one member, in order."""
    for record in records:
        if record.value is None:
            await _erase((record.key or b"").decode("utf-8", "replace"), deps)
        else:
            await _apply(record.value, deps.people)


async def _apply(value: bytes, people: PeopleStore) -> None:
    try:
        snapshot = MemberSnapshot.model_validate_json(value)
    except ValidationError as error:
        raise BadRecord(f"no member snapshot: {error.error_count()} fields are wrong") from None
    persons = list(people_of(snapshot))
    for person in persons:
        await people.apply(person)
    await people.drop_others(snapshot.id, [person.contact for person in persons], snapshot.version)


async def _erase(member: str, deps: PeopleDeps) -> None:
    """Erase a person; who it was is forgotten last, so that an erasure cut short is taken up again."""
    for contact in await deps.people.contacts_of(member):
        for erase in deps.erasers:
            await erase(contact)
        await deps.people.forget(contact)
