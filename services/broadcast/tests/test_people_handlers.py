"""What records make of people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.broadcast.people.handlers import PeopleDeps, on_member_state, on_web_events
from services.broadcast.people.model import Person
from services.broadcast.tests.crowds import NOW
from shared.consumer import BadRecord, Coordinates, Record
from shared.events import ContactState, LinkClicked, MemberSnapshot, SourceHit, encode

MEMBER = "mbr_a"
KNOWN = {
    "channel": "shop",
    "following": True,
    "followed_at": NOW,
    "source": "flyer",
    "last_seen_at": NOW,
}


class Heard:
    """A store that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def apply(self, member: str, version: int, people: Sequence[Person]) -> None:
        self.told.append((member, version, [person.contact for person in people]))
        self.people = people

    async def forget(self, member: str) -> None:
        self.told.append(("forget", member))

    async def note_click(self, member: str, link: str) -> None:
        self.told.append((member, link))

    def deps(self, erased_at: datetime | None = None) -> PeopleDeps:
        return PeopleDeps(self, lambda _: erased_at)  # type: ignore[arg-type]


def record(value: bytes | None, offset: int = 0) -> Record:
    at = Coordinates("t", 0, offset)
    return Record(at, MEMBER.encode(), value, (), NOW, at)


def state(version: int, *contacts: ContactState, **known: Any) -> Record:
    at = NOW + timedelta(minutes=version)
    snapshot = MemberSnapshot(
        id=MEMBER, version=version, channel="shop", contacts=contacts, created_at=NOW, updated_at=at, **known
    )
    return record(encode(snapshot))


def contact(name: str, kind: Any = "user") -> ContactState:
    return ContactState(id=f"shop:{name}", kind=kind, **KNOWN)  # type: ignore[arg-type]


async def test_a_snapshot_s_users_become_people_and_its_groups_do_not() -> None:
    heard = Heard()
    contacts = (contact("U1"), contact("C1", "group"), contact("R1", "room"))
    await on_member_state([state(3, *contacts, bound=True, tags=("VIP", "Tea"))], heard.deps())
    [person] = heard.people
    assert (person.contact, person.member, person.version, person.bound) == ("shop:U1", MEMBER, 3, True)
    assert (person.tags, person.source, person.following, person.followed_at) == (("tea", "vip"), "flyer", True, NOW)
    assert (person.first_seen_at, person.last_seen_at, person.reachable) == (NOW, NOW, True)


async def test_of_a_run_the_newest_version_counts_whatever_order_it_has() -> None:
    heard = Heard()
    await on_member_state([state(2, contact("U2")), state(3, contact("U3")), state(1, contact("U1"))], heard.deps())
    assert heard.told == [(MEMBER, 3, ["shop:U3"])]


async def test_a_tombstone_forgets_and_what_follows_it_begins_anew() -> None:
    heard = Heard()
    await on_member_state([state(9, contact("U1")), record(None), state(10, contact("U1"))], heard.deps())
    assert heard.told == [("forget", MEMBER), (MEMBER, 10, ["shop:U1"])]


async def test_a_state_from_before_the_erasure_stays_out_however_late_it_comes() -> None:
    heard = Heard()
    erased = heard.deps(erased_at=NOW + timedelta(minutes=5))
    await on_member_state([record(None), state(5, contact("U1"))], erased)
    assert heard.told == [("forget", MEMBER)]
    await on_member_state([state(6, contact("U1"))], erased)
    assert heard.told[1:] == [(MEMBER, 6, ["shop:U1"])]


async def test_what_is_no_snapshot_is_a_bad_record() -> None:
    with pytest.raises(BadRecord, match="no member snapshot: 5 fields are wrong"):
        await on_member_state([record(b'{"name": "secret"}')], Heard().deps())


def click(**known: Any) -> Record:
    clicked = LinkClicked(id="clk_1", channel="shop", occurred_at=NOW, link="cmp_a.1", url="https://x", **known)
    return record(encode(clicked))


async def test_a_named_click_is_noted_and_no_other_is() -> None:
    heard = Heard()
    hit = SourceHit(id="hit_1", channel="shop", occurred_at=NOW, source="flyer", contact="shop:U1")
    unknown = record(b'{"type": "page_left", "id": "x"}')
    others = [click(visitor="v"), click(member="mbr_b", robot=True), record(encode(hit)), unknown]
    await on_web_events([*others, click(member=MEMBER)], heard.deps())
    assert heard.told == [(MEMBER, "cmp_a.1")]


async def test_a_click_of_somebody_erased_since_is_not_noted() -> None:
    heard = Heard()
    await on_web_events([click(member=MEMBER)], heard.deps(erased_at=NOW))
    assert heard.told == []


async def test_a_broken_web_event_is_a_bad_record() -> None:
    with pytest.raises(BadRecord):
        await on_web_events([record(b'{"type": "link_clicked"}')], Heard().deps())
