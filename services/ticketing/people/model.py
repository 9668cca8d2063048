"""Who a contact is, as the desk needs to know it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.events import MemberSnapshot
from shared.ids import member_id, split_contact


@dataclass(frozen=True, slots=True)
class Person:
    """A contact with what is known of its member. `version` 0: only that it wrote, binding has not told of it yet."""

    contact: str
    member: str
    version: int = 0
    bound: bool = False
    keys: tuple[str, ...] = ()
    """The kinds of keys the member has, never their values."""
    tags: tuple[str, ...] = ()
    following: bool | None = None
    source: str | None = None
    updated_at: datetime | None = None

    @property
    def channel(self) -> str:
        """The account's slug."""
        return split_contact(self.contact)[0]


def stranger(contact: str) -> Person:
    """Return a contact of whom nothing is known: its member's id is made of it, as binding makes it."""
    return Person(contact, member_id(contact))


def people_of(snapshot: MemberSnapshot) -> Iterator[Person]:
    """Return each contact of a member with what the snapshot tells."""
    for contact in snapshot.contacts:
        if contact.kind == "user":
            yield Person(
                contact=contact.id,
                member=snapshot.id,
                version=snapshot.version,
                bound=snapshot.bound,
                keys=tuple(sorted(snapshot.keys)),
                tags=snapshot.tags,
                following=contact.following,
                source=contact.source,
                updated_at=snapshot.updated_at,
            )
