"""The tickets' store on the real server: numbers, races, lists, erasure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.ticketing.clocks.hours import OpeningHours
from services.ticketing.clocks.store import StoredHours
from services.ticketing.tests.ticket_rig import ANN, MONDAY, PHOTOS, Rig, completed_repair
from services.ticketing.tickets.changes import Opening
from services.ticketing.tickets.edits import edit_of
from services.ticketing.tickets.errands import opening_of
from services.ticketing.tickets.model import Ticket, ticket_id
from services.ticketing.tickets.store import INDEXES, Filter
from services.ticketing.tickets.views import TicketPatch
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(database: Database) -> Rig:
    await ensure_indexes(database, INDEXES)
    return Rig(database)


def an_opening(session: str, contact: str = ANN) -> Opening:
    return opening_of(completed_repair(session, contact))


async def opened(rig: Rig, count: int, contact: str = ANN) -> list[Ticket]:
    return [await rig.changes.open(an_opening(f"{contact}.{number}", contact)) for number in range(count)]


async def test_a_ticket_is_read_back_as_it_was_written(rig: Rig) -> None:
    hours = OpeningHours.model_validate({"targets": {"normal": {"first_response_minutes": 30}}})
    await rig.hours.save(StoredHours("shop", 1, hours, MONDAY, "ann"))
    made = await rig.changes.open(replace(an_opening("ses_1"), assignee="bob"))
    read = await rig.tickets.get(made.id)

    assert read == replace(made, waiting=2)
    assert (made.photos, made.due_at) == (PHOTOS, MONDAY + timedelta(minutes=30))


async def test_twenty_at_once_open_one_ticket_with_one_number(rig: Rig, database: Database) -> None:
    processes = [rig, Rig(database)]
    made = await asyncio.gather(*(processes[n % 2].changes.open(an_opening("ses_1")) for n in range(20)))

    assert len({(ticket.id, ticket.number) for ticket in made}) == 1
    assert await database["tickets"].count_documents({}) == 1


async def test_different_sessions_at_once_get_different_numbers(rig: Rig) -> None:
    made = await asyncio.gather(*(rig.changes.open(an_opening(f"ses_{n}")) for n in range(20)))

    assert sorted(ticket.number for ticket in made) == list(range(1, 21))


async def test_each_account_counts_for_itself(rig: Rig) -> None:
    [first], [elsewhere] = await opened(rig, 1), await opened(rig, 1, "other:U" + "b" * 32)

    assert (first.number, elsewhere.number) == (1, 1)


async def test_a_counter_from_an_older_backup_catches_up(rig: Rig, database: Database) -> None:
    await opened(rig, 3)
    await database["ticket_numbers"].update_one({"_id": "shop"}, {"$set": {"last": 0}})

    ticket = await rig.changes.open(an_opening("ses_later"))
    assert ticket.number > 3


async def test_of_two_writers_of_one_version_one_is_refused(rig: Rig) -> None:
    [ticket] = await opened(rig, 1)
    one, two = await rig.tickets.get(ticket.id), await rig.tickets.get(ticket.id)
    assert one is not None
    assert two is not None

    assert [await rig.tickets.save(each, [], MONDAY) for each in (one, two)] == [True, False]


async def test_lists_are_cut_by_each_filter_and_go_on_below_a_number(rig: Rig, database: Database) -> None:
    made = await opened(rig, 5)
    await database["tickets"].update_many({"number": {"$in": [2, 4]}}, {"$set": {"assignee": "bob", "team": "north"}})
    await database["tickets"].update_one({"_id": made[2].id}, {"$set": {"state": "closed"}})

    async def numbers(narrow: Filter, before: int | None = None, limit: int = 9) -> list[int]:
        return [ticket.number for ticket in await rig.tickets.page("shop", narrow, before=before, limit=limit)]

    assert await numbers(Filter()) == [5, 4, 3, 2, 1]
    assert await numbers(Filter(), before=4, limit=2) == [3, 2]
    assert await numbers(Filter(state="closed")) == [3]
    assert await numbers(Filter(assignee="bob")) == [4, 2]
    assert await numbers(Filter(team="north", state="new"), before=4) == [2]
    assert await numbers(Filter(contact=ANN), before=3) == [2, 1]
    assert await numbers(Filter(contact="shop:U" + "f" * 32)) == []


async def test_only_what_is_due_is_found_the_longest_due_first(rig: Rig, database: Database) -> None:
    made = await opened(rig, 4)
    for minutes, ticket in zip((30, 10, 20), made, strict=False):
        due = {"$set": {"breach_due_at": MONDAY + timedelta(minutes=minutes)}}
        await database["tickets"].update_one({"_id": ticket.id}, due)

    assert await rig.tickets.overdue(MONDAY + timedelta(minutes=20), 10) == [made[1].id, made[2].id]


async def test_an_unsent_message_leaves_its_senders_tickets(rig: Rig) -> None:
    [ticket] = await opened(rig, 1)
    for message in ("photo-1", "m4", "m4", "unknown"):
        await rig.tickets.unsend(ANN, message)
    await rig.tickets.unsend("shop:U" + "f" * 32, "photo-2")

    read = await rig.tickets.get(ticket.id)
    assert read is not None
    assert read.photos == ["photo-2", "photo-3"]
    assert sorted(read.answers) == ["name", "phone", "product"]


async def test_erasing_a_person_leaves_number_and_history(rig: Rig, database: Database) -> None:
    [ticket] = await opened(rig, 1)
    await rig.changes.change(ticket.id, edit_of(TicketPatch(team="north"), "bob", 1))
    for _ in range(2):
        await rig.tickets.forget(ANN)

    left = str(await database["tickets"].find_one({"_id": ticket_id(f"{ANN}.0")}))
    assert not [trace for trace in ("Ann", "+886", "Kettle", "Cold", "photo-", "a" * 32, "mbr_") if trace in left]
    read = await rig.tickets.get(ticket.id)
    assert read is not None
    assert (read.number, read.team, read.contact, read.waiting) == (1, "north", None, 0)
