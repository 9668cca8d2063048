"""Random people and random expressions about them, from so few values that many of them meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from services.broadcast.people.model import Person
from services.broadcast.segments.model import (
    AllOf,
    AnyOf,
    Clicked,
    During,
    Expression,
    Flag,
    FromSource,
    Missing,
    MomentField,
    Not,
    OneOf,
    Tagged,
)

CHANNEL = "shop"
NOW = datetime(2026, 11, 20, 4, tzinfo=UTC)
TAGS = ("gold", "tea", "vip")
SOURCES = ("flyer", "window")
CAMPAIGNS = ("cmp_a", "cmp_b")
CONTACTS = tuple(f"{CHANNEL}:U{number:032x}" for number in range(12))

moments = st.integers(0, 12).map(lambda days: NOW - timedelta(days=days))


def _some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique=True).map(
        lambda chosen: tuple(sorted(chosen))
    )


def people(contact: str) -> st.SearchStrategy[Person]:
    """Any state of a contact."""
    return st.builds(
        Person,
        contact=st.just(contact),
        channel=st.just(CHANNEL),
        member=st.just(f"mbr_{contact[-4:]}"),
        version=st.just(1),
        updated_at=st.just(NOW),
        bound=st.booleans(),
        tags=_some(TAGS),
        source=st.none() | st.sampled_from(SOURCES),
        following=st.none() | st.booleans(),
        followed_at=st.none() | moments,
        unfollowed_at=st.none() | moments,
        first_seen_at=moments,
        last_seen_at=st.none() | moments,
        clicked_links=st.just(()) | st.just(("cmp_a.1",)),
        clicked_campaigns=_some(CAMPAIGNS),
    )


crowds = st.integers(1, len(CONTACTS)).flatmap(
    lambda size: st.tuples(*(people(contact) for contact in CONTACTS[:size])).map(list)
)
"""An account's people, in order of their contacts."""

_fields: st.SearchStrategy[MomentField] = st.sampled_from(
    ["followed_at", "unfollowed_at", "first_seen_at", "last_seen_at"]
)


@st.composite
def _during(draw: st.DrawFn) -> During:
    ends = sorted(draw(st.lists(moments, min_size=2, max_size=2, unique=True)))
    after, before = draw(st.sampled_from([(ends[0], None), (None, ends[1]), (ends[0], ends[1])]))
    return During(draw(_fields), after, before)


_leaves: st.SearchStrategy[Expression] = st.one_of(
    st.builds(Flag, st.sampled_from(["bound", "following"]), st.booleans()),
    st.builds(Tagged, _some(TAGS, least=1), st.booleans()),
    st.builds(FromSource, _some(SOURCES, least=1)),
    st.builds(OneOf, _some(CONTACTS[:8], least=1)),
    _during(),
    st.builds(During, _fields, days=st.integers(1, 12)),
    st.builds(Missing, st.sampled_from(["source", "followed_at", "unfollowed_at", "last_seen_at"])),
    st.builds(Clicked, st.just("campaign"), st.sampled_from(CAMPAIGNS)),
    st.builds(Clicked, st.just("link"), st.sampled_from(["cmp_a.1", "cmp_a.2"])),
)

expressions: st.SearchStrategy[Expression] = st.recursive(
    _leaves | st.just(AllOf(())),
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)
"""Expressions in which no segment is named any more."""
