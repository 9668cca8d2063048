"""What a segment says of a person: conditions joined by all, any and not. Pure.

Two-valued: a condition on a fact that is not known is false, so its negation is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.broadcast.people.model import Person

FlagField = Literal["bound", "following"]
MomentField = Literal["followed_at", "unfollowed_at", "first_seen_at", "last_seen_at"]
ClickKind = Literal["campaign", "link"]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts it is everyone."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Flag:
    """Bound or not; a friend now or not (who never followed is none)."""

    field: FlagField
    value: bool


@dataclass(frozen=True, slots=True)
class Tagged:
    """Has every one of the tags, or any of them; tags in their compared form."""

    tags: tuple[str, ...]
    every: bool


@dataclass(frozen=True, slots=True)
class FromSource:
    """Came by one of the add-friend sources."""

    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """Is one of the contacts."""

    contacts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class During:
    """A moment at or after `after`, before `before`, or within `days` days back from when it is asked."""

    field: MomentField
    after: datetime | None = None
    before: datetime | None = None
    days: int | None = None

    def since(self, at: datetime) -> datetime | None:
        """Return the moment it begins with, asked at a time."""
        return self.after if self.days is None else whole_millis(at - timedelta(days=self.days))


@dataclass(frozen=True, slots=True)
class Missing:
    """The fact is not known: no source, never followed, …"""

    field: Literal["source"] | MomentField


@dataclass(frozen=True, slots=True)
class Clicked:
    """Opened a link of a campaign, or one link, and was known by name then."""

    kind: ClickKind
    id: str


@dataclass(frozen=True, slots=True)
class InSegment:
    """Belongs to another segment of the account; `resolved` puts that in its place."""

    id: str


Leaf = Flag | Tagged | FromSource | OneOf | During | Missing | Clicked | InSegment
Expression = AllOf | AnyOf | Not | Leaf


@dataclass(frozen=True, slots=True)
class Segment:
    """A named expression of an account. `version` counts its changes; `written` is its JSON as staff gave it."""

    id: str
    channel: str
    name: str
    written: Mapping[str, Any]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    version: int = 1
    request: str = ""
    """Digest of the request that made it, to tell a repeat from another."""


def whole_millis(moment: datetime) -> datetime:
    """Return a moment as the store keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def leaves(expression: Expression) -> Iterator[Leaf]:
    """Yield the conditions of an expression, from left to right."""
    match expression:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield expression


def references(expression: Expression) -> frozenset[str]:
    """Return the segments that an expression names."""
    return frozenset(leaf.id for leaf in leaves(expression) if isinstance(leaf, InSegment))


def mapped(expression: Expression, change: Callable[[Leaf], Expression]) -> Expression:
    """Return the expression with each of its conditions changed."""
    match expression:
        case AllOf(parts):
            return AllOf(tuple(mapped(part, change) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(mapped(part, change) for part in parts))
        case Not(part):
            return Not(mapped(part, change))
        case _:
            return change(expression)


def resolved(expression: Expression, segments: Mapping[str, Expression]) -> Expression:
    """Return the expression with each segment's own, resolved one in the place of its name."""
    return mapped(expression, lambda leaf: segments[leaf.id] if isinstance(leaf, InSegment) else leaf)


def pinned(expression: Expression, at: datetime) -> Expression:
    """Return the expression with "within so many days" counted from a time, so that it means the same ever after."""

    def pin(leaf: Leaf) -> Leaf:
        return During(leaf.field, after=leaf.since(at)) if isinstance(leaf, During) and leaf.days else leaf

    return mapped(expression, pin)


def matches(expression: Expression, person: Person, at: datetime) -> bool:
    """Whether a person belongs, asked at a time; what `compile_filter` finds in the store, in memory.

    Raises:
        LookupError: a segment is still only named.
    """
    match expression:
        case AllOf(parts):
            return all(matches(part, person, at) for part in parts)
        case AnyOf(parts):
            return any(matches(part, person, at) for part in parts)
        case Not(part):
            return not matches(part, person, at)
        case _:
            return _holds(expression, person, at)


def _holds(leaf: Leaf, person: Person, at: datetime) -> bool:
    match leaf:
        case Flag("bound", value):
            return person.bound is value
        case Flag(_, value):
            return (person.following is True) is value
        case Tagged(tags, every):
            return (all if every else any)(tag in person.tags for tag in tags)
        case FromSource(sources):
            return person.source in sources
        case OneOf(contacts):
            return person.contact in contacts
        case During():
            return _happened(leaf, getattr(person, leaf.field), at)
        case Missing(field):
            return getattr(person, field) is None
        case Clicked(kind, id):
            return id in (person.clicked_campaigns if kind == "campaign" else person.clicked_links)
        case InSegment(id):
            raise LookupError(id)


def _happened(during: During, moment: datetime | None, at: datetime) -> bool:
    since = during.since(at)
    if moment is None or (since is not None and moment < since):
        return False
    return during.before is None or moment < during.before
