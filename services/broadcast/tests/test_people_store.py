"""People on the real server: newer news only, whoever comes first, and whom a filter finds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from services.broadcast.people.model import CLICKS_KEPT, Person
from services.broadcast.people.store import INDEXES, PEOPLE, MongoPeople, TooSlow, person_document
from services.broadcast.segments.filters import compile_filter
from services.broadcast.segments.model import Expression, matches
from services.broadcast.tests.crowds import CHANNEL, CONTACTS, NOW, crowds, expressions
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(database: Database) -> MongoPeople:
    await ensure_indexes(database, INDEXES)
    return MongoPeople(database)


def someone(number: int = 0, member: str = "mbr_a", version: int = 1, **known: object) -> Person:
    person = Person(CONTACTS[number], CHANNEL, member, version, NOW + timedelta(minutes=version))
    return replace(person, **known)  # type: ignore[arg-type]


async def everyone(store: MongoPeople) -> list[Person]:
    return await store.walk(CHANNEL, {}, None, 100)


async def test_what_is_applied_is_read_back(store: MongoPeople) -> None:
    person = someone(bound=True, tags=("vip",), source="flyer", following=True, followed_at=NOW, last_seen_at=NOW)
    await store.apply("mbr_a", 1, [person])
    assert await everyone(store) == [person]


async def test_older_news_and_the_same_again_change_nothing(store: MongoPeople) -> None:
    newer = someone(version=2, bound=True)
    for version, person in ((2, newer), (1, someone(version=1)), (2, someone(version=2))):
        await store.apply("mbr_a", version, [person])
    assert await everyone(store) == [newer]


async def test_a_contact_that_left_its_member_is_removed(store: MongoPeople) -> None:
    await store.apply("mbr_a", 1, [someone(0), someone(1)])
    await store.apply("mbr_a", 2, [someone(1, version=2)])
    assert [person.contact for person in await everyone(store)] == [CONTACTS[1]]


@pytest.mark.parametrize("arrives_first", ["the one who loses it", "the one who gets it"])
async def test_a_contact_that_moved_belongs_to_whom_got_it_whatever_comes_first(
    store: MongoPeople, arrives_first: str
) -> None:
    held = [someone(0, "mbr_a", version=5)]
    await store.apply("mbr_a", 5, held)
    got = someone(0, "mbr_b", version=3, updated_at=NOW + timedelta(hours=1))
    if arrives_first == "the one who loses it":
        await store.apply("mbr_a", 6, [])
        await store.apply("mbr_b", 3, [got])
    else:
        await store.apply("mbr_b", 3, [got])
        await store.apply("mbr_a", 6, [])
    assert await everyone(store) == [got]
    await store.apply("mbr_a", 5, held)
    await store.apply("mbr_a", 6, [])
    assert await everyone(store) == [got]


async def test_many_states_of_a_contact_at_once_end_in_the_newest(store: MongoPeople) -> None:
    states = [(version, [someone(version=version, bound=version == 20)]) for version in range(1, 21)]
    await asyncio.gather(*(store.apply("mbr_a", version, people) for version, people in states))
    [person] = await everyone(store)
    assert (person.version, person.bound) == (20, True)


async def test_an_erased_member_leaves_nothing(store: MongoPeople, database: Database) -> None:
    await store.apply("mbr_a", 1, [someone(0), someone(1)])
    await store.apply("mbr_b", 1, [someone(2, "mbr_b")])
    await store.note_click("mbr_a", "cmp_a.1")
    await store.forget("mbr_a")
    assert [person.member for person in await everyone(store)] == ["mbr_b"]
    assert await database["clicks"].count_documents({}) == 0


@pytest.mark.parametrize("arrives_first", ["the click", "the person"])
async def test_a_click_is_on_its_member_s_people_whatever_comes_first(store: MongoPeople, arrives_first: str) -> None:
    if arrives_first == "the click":
        await store.note_click("mbr_a", "cmp_a.1")
        await store.apply("mbr_a", 1, [someone()])
    else:
        await store.apply("mbr_a", 1, [someone()])
        await store.note_click("mbr_a", "cmp_a.1")
    await store.apply("mbr_a", 2, [someone(version=2, bound=True), someone(1, version=2)])
    for person in await everyone(store):
        assert (person.clicked_links, person.clicked_campaigns) == (("cmp_a.1",), ("cmp_a",))


async def test_clicks_are_a_set_that_keeps_the_newest(store: MongoPeople) -> None:
    await store.apply("mbr_a", 1, [someone()])
    for link in ["first", "cmp_a.1", "cmp_a.2", "cmp_a.1", *(f"page-{number}" for number in range(CLICKS_KEPT - 2))]:
        await store.note_click("mbr_a", link)
    [person] = await everyone(store)
    assert len(person.clicked_links) == CLICKS_KEPT
    assert person.clicked_links[:2] == ("cmp_a.1", "cmp_a.2")
    assert person.clicked_campaigns == ("cmp_a",)


async def test_clicks_of_one_member_at_once_are_all_kept(store: MongoPeople) -> None:
    await store.apply("mbr_a", 1, [someone()])
    await asyncio.gather(*(store.note_click("mbr_a", f"cmp_{name}.1") for name in "abcde"))
    [person] = await everyone(store)
    assert sorted(person.clicked_campaigns) == ["cmp_a", "cmp_b", "cmp_c", "cmp_d", "cmp_e"]


async def test_clicks_do_not_follow_a_contact_to_another_member(store: MongoPeople) -> None:
    await store.apply("mbr_a", 1, [someone()])
    await store.note_click("mbr_a", "cmp_a.1")
    await store.apply("mbr_b", 1, [someone(member="mbr_b", updated_at=NOW + timedelta(hours=1))])
    [person] = await everyone(store)
    assert person.clicked_campaigns == ()


async def test_a_walk_goes_upward_and_meets_each_once(store: MongoPeople) -> None:
    for number in (5, 1, 9, 3, 7):
        await store.apply(f"mbr_{number}", 1, [someone(number, f"mbr_{number}", bound=number != 3)])
    await store.apply("mbr_x", 1, [replace(someone(0, "mbr_x"), contact="shop-2:U1", channel="shop-2")])
    met: list[str] = []
    while page := await store.walk(CHANNEL, {"bound": True}, met[-1] if met else None, 2):
        met += [person.contact for person in page]
    assert met == [CONTACTS[number] for number in (1, 5, 7, 9)]
    two_of_them = {"_id": {"$in": [CONTACTS[5], CONTACTS[9]]}}
    assert [person.contact for person in await store.walk(CHANNEL, two_of_them, CONTACTS[5], 9)] == [CONTACTS[9]]


async def test_a_question_that_takes_too_long_says_so(database: Database) -> None:
    hasty = MongoPeople(database, ask_seconds=0.000_001)
    for question in (hasty.count(CHANNEL, {}), hasty.sample(CHANNEL, {}, 10)):
        with pytest.raises(TooSlow):
            await question


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expressions, crowds)
async def test_the_store_finds_whom_the_expression_matches(
    database: Database, expression: Expression, crowd: list[Person]
) -> None:
    people = MongoPeople(database)
    await database[PEOPLE].delete_many({})
    await database[PEOPLE].insert_many([person_document(person) for person in crowd])
    where = compile_filter(expression, NOW)
    expected = [person for person in crowd if matches(expression, person, NOW)]
    assert await people.walk(CHANNEL, where, None, 100) == expected
    assert await people.count(CHANNEL, where) == len(expected)
    friends = [person for person in expected if person.reachable]
    assert await people.count(CHANNEL, where, reachable=True) == len(friends)
    assert await people.sample(CHANNEL, where, 3) == expected[:3]
