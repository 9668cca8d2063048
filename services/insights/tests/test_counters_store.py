"""One contract for the counters, held against the real server and against the one in memory that other tests use."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.insights.counters.buckets import day_bucket
from services.insights.counters.model import Change, CounterKey, Slot, Visit
from services.insights.counters.store import INDEXES, Browser, Count, Counters, DayVisit, MongoCounters
from services.insights.tests.memory import MemoryCounters
from shared.mongo import Database, ensure_indexes

DAY = day_bucket(datetime(2026, 11, 20, tzinfo=UTC).date(), UTC)
ADDS = CounterKey("shop", "adds", "new", DAY)
BLOCKS = CounterKey("shop", "blocks", "", DAY)
SLOT = "line%2Eevents/3"
OTHER_SLOT = "line%2Eevents/4"


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.integration)])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    return MongoCounters(request.getfixturevalue("database"))


async def test_a_counter_that_is_not_there_has_no_slot(counters: Counters) -> None:
    assert await counters.slots([ADDS], SLOT) == {}


async def test_a_slot_that_is_made_can_be_read(counters: Counters) -> None:
    assert await counters.swap(SLOT, [Change(ADDS, None, Slot(3, 7)), Change(BLOCKS, None, Slot(1, 5))])

    assert await counters.slots([ADDS, BLOCKS], SLOT) == {ADDS: Slot(3, 7), BLOCKS: Slot(1, 5)}
    assert await counters.slots([ADDS, BLOCKS], OTHER_SLOT) == {}


async def test_a_slot_moves_on_from_what_was_read(counters: Counters) -> None:
    await counters.swap(SLOT, [Change(ADDS, None, Slot(3, 7))])

    assert await counters.swap(SLOT, [Change(ADDS, Slot(3, 7), Slot(4, 9))])
    assert await counters.slots([ADDS], SLOT) == {ADDS: Slot(4, 9)}


async def test_a_slot_that_moved_meanwhile_is_left_and_the_others_of_the_call_are_written(counters: Counters) -> None:
    await counters.swap(SLOT, [Change(ADDS, None, Slot(3, 7))])

    assert not await counters.swap(SLOT, [Change(ADDS, Slot(2, 6), Slot(9, 9)), Change(BLOCKS, None, Slot(1, 9))])
    assert await counters.slots([ADDS, BLOCKS], SLOT) == {ADDS: Slot(3, 7), BLOCKS: Slot(1, 9)}


async def test_a_slot_that_was_made_meanwhile_is_left(counters: Counters) -> None:
    await counters.swap(SLOT, [Change(ADDS, None, Slot(3, 7))])

    assert not await counters.swap(SLOT, [Change(ADDS, None, Slot(9, 9))])
    assert await counters.slots([ADDS], SLOT) == {ADDS: Slot(3, 7)}


async def test_partitions_write_one_counter_side_by_side(counters: Counters) -> None:
    async def feed(slot: str) -> None:
        for offset in range(10):
            while True:
                before = (await counters.slots([ADDS], slot)).get(ADDS)
                if await counters.swap(slot, [Change(ADDS, before, Slot(offset + 1, offset))]):
                    break

    slots = [f"line%2Eevents/{number}" for number in range(6)]
    await asyncio.gather(*(feed(slot) for slot in slots))

    assert [await counters.slots([ADDS], slot) for slot in slots] == [{ADDS: Slot(10, 9)}] * 6


async def test_partitions_that_touch_the_same_counters_in_another_order_never_wait_for_each_other(
    counters: Counters,
) -> None:
    keys = [CounterKey("shop", "clicks", f"person:{number}", DAY) for number in range(40)]

    async def feed(slot: str, order: list[CounterKey]) -> None:
        for offset in range(5):
            before = await counters.slots(order, slot)
            assert await counters.swap(slot, [Change(key, before.get(key), Slot(offset + 1, offset)) for key in order])

    orders = {f"line%2Eevents/{number}": keys[:: 1 if number % 2 else -1] for number in range(6)}
    async with asyncio.timeout(20):
        # The counters exist before they are fought over: two that make one at once is another test's.
        await counters.swap("first", [Change(key, None, Slot(1, 1)) for key in keys])
        await asyncio.gather(*(feed(slot, order) for slot, order in orders.items()))

    for slot in orders:
        assert set((await counters.slots(keys, slot)).values()) == {Slot(5, 4)}


@pytest.fixture
async def server(database: Database) -> MongoCounters:
    await ensure_indexes(database, INDEXES)
    return MongoCounters(database)


@pytest.mark.integration
async def test_a_counter_s_value_is_the_sum_of_its_partitions(server: MongoCounters) -> None:
    await server.swap(SLOT, [Change(ADDS, None, Slot(3, 7))])
    await server.swap(OTHER_SLOT, [Change(ADDS, None, Slot(2, 1))])

    found = [count async for count in server.counts("shop", ["adds"], "day", "2026-11-20", "2026-11-20")]

    assert found == [Count("adds", "new", "2026-11-20", 5)]


@pytest.mark.integration
@pytest.mark.parametrize(
    "asked",
    [
        ("other", ["adds"], "day", "2026-11-20", "2026-11-20"),
        ("shop", ["blocks"], "day", "2026-11-20", "2026-11-20"),
        ("shop", ["adds"], "hour", "2026-11-20", "2026-11-20"),
        ("shop", ["adds"], "day", "2026-11-21", "2026-11-22"),
    ],
)
async def test_other_accounts_metrics_grains_and_days_are_left_out(server: MongoCounters, asked: Any) -> None:
    await server.swap(SLOT, [Change(ADDS, None, Slot(3, 7))])

    assert [count async for count in server.counts(*asked)] == []


@pytest.mark.integration
async def test_what_was_before_a_day_is_summed_by_metric(server: MongoCounters) -> None:
    earlier = ADDS._replace(bucket=day_bucket(datetime(2025, 1, 1, tzinfo=UTC).date(), UTC))
    await server.swap(SLOT, [Change(key, None, Slot(3, 7)) for key in (ADDS, earlier)])

    assert await server.until("shop", ["adds", "blocks"], "2026-11-20") == {"adds": 3, "blocks": 0}
    assert await server.until("shop", ["adds"], "2026-11-21") == {"adds": 6}


@pytest.mark.integration
async def test_a_visit_noted_again_stays_one_and_names_nobody(server: MongoCounters, database: Database) -> None:
    visits = [DayVisit("shop", "2026-11-20", Visit(link, "visitor-1")) for link in ("menu", "map", "menu")]
    for _ in range(2):
        await server.add_visits(visits)

    found = [visit async for visit in server.browsers("shop", "2026-11-20", "2026-11-20")]

    assert sorted((visit.link, visit.day) for visit in found) == [("map", "2026-11-20"), ("menu", "2026-11-20")]
    assert len({visit.browser for visit in found}) == 1
    assert all(isinstance(visit, Browser) for visit in found)
    assert "visitor-1" not in str(await database["visits"].find().to_list(length=10))


@pytest.mark.integration
async def test_up_to_when_a_topic_is_counted_never_goes_back(server: MongoCounters) -> None:
    newer = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    await server.note_newest("line.events", {"shop": newer})
    await server.note_newest("line.events", {"shop": newer - timedelta(hours=1), "other": newer})

    assert await server.newest("shop") == {"line.events": newer}


@pytest.mark.integration
async def test_several_processes_note_it_at_once(server: MongoCounters) -> None:
    moments = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in range(20)]

    await asyncio.gather(*(server.note_newest("line.events", {"shop": moment}) for moment in moments))

    assert await server.newest("shop") == {"line.events": moments[-1]}
