"""From a flow to one ticket and one number told, from a change to one notice: whatever dies, whoever races."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.ticketing.clocks.hours import OpeningHours
from services.ticketing.clocks.store import StoredHours
from services.ticketing.conversations.errands import note_reply_item
from services.ticketing.people.model import Person
from services.ticketing.tests.ticket_rig import ANN, MONDAY, PHOTOS, Death, Rig, completed_repair, the_ticket
from services.ticketing.tickets.breaches import flag_overdue
from services.ticketing.tickets.edits import edit_of
from services.ticketing.tickets.store import INDEXES
from services.ticketing.tickets.views import TicketPatch
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(database: Database) -> Rig:
    await ensure_indexes(database, INDEXES)
    return Rig(database)


async def a_repair(rig: Rig, session: str = "ses_1", contact: str = ANN) -> str:
    """A ticket whose number was told."""
    await rig.put(contact, completed_repair(session, contact, rig.now))
    await rig.conversations.dispatch(contact)
    rig.phone.shown.clear()
    return the_ticket(session)


async def staff(rig: Rig, ticket: str, **patch: object) -> None:
    """Staff change a ticket, as they read it now."""
    read = await rig.tickets.get(ticket)
    assert read is not None
    await rig.changes.change(ticket, edit_of(TicketPatch.model_validate(patch), "bob", read.version))
    await rig.changes.dispatch(ticket)


async def dies_at_each_call(rig: Rig, act: Callable[[], Awaitable[object]]) -> int:
    """Run a step to its end in lives that each die one call later; return how many died."""
    for deaths in range(200):
        rig.fuse.left = deaths + 1
        try:
            await act()
        except Death:
            continue
        rig.fuse.left = None
        return deaths
    raise AssertionError("it never ends")


async def test_a_completed_flow_becomes_a_ticket_whose_number_is_replied(rig: Rig) -> None:
    await rig.put(ANN, completed_repair("ses_1"))
    await rig.conversations.dispatch(ANN)

    ticket = await rig.tickets.get(the_ticket("ses_1"))
    assert ticket is not None
    assert (ticket.number, ticket.photos, ticket.opened_by) == (1, PHOTOS, "repair")
    assert ticket.answers == {"name": "Ann", "phone": "+886912345678", "product": "Kettle", "fault": "Cold"}
    assert rig.phone.shown == [("reply", "", "Your number is 1.")]
    assert [fact["number"] for fact in rig.kafka.facts("ticket_opened")] == [1]
    assert await rig.waiting() == 0


async def test_two_processes_with_the_same_item_open_one_ticket_and_reply_once(rig: Rig, database: Database) -> None:
    others = [Rig(database) for _ in range(3)]
    for other in others:
        other.phone.used, other.phone.shown = rig.phone.used, rig.phone.shown
    for number in range(5):
        await rig.put(ANN, completed_repair(f"ses_{number}"))
        await asyncio.gather(*(process.conversations.dispatch(ANN) for process in [rig, *others]))
        await rig.settle(ANN)

    assert await database["tickets"].count_documents({}) == 5
    assert len(rig.phone.shown) == len({text for _, _, text in rig.phone.shown}) == 5
    assert await rig.waiting() == 0


async def test_an_opening_that_dies_after_any_call_ends_in_one_ticket_and_one_reply(rig: Rig) -> None:
    deaths = 0
    for crash in range(1, 100):
        session, contact = f"ses_{crash}", f"shop:U{crash:032x}"
        await rig.put(contact, completed_repair(session, contact, rig.now))
        rig.fuse.left = crash
        try:
            await rig.conversations.dispatch(contact)
        except Death:
            deaths += 1
        rig.fuse.left = None
        await rig.settle(contact)
        tickets = await rig.tickets.of_contact(contact)
        assert [ticket.id for ticket in tickets] == [the_ticket(session)]
        assert [text for *_, text in rig.phone.shown] == [f"Your number is {tickets[0].number}."], crash
        assert len(rig.kafka.facts("ticket_opened")) == crash
        assert await rig.waiting() == 0
        rig.phone.shown.clear()
        if deaths < crash:
            break

    assert deaths > 12


async def test_an_opening_that_dies_in_every_life_ends_all_the_same(rig: Rig) -> None:
    await rig.put(ANN, completed_repair("ses_1"))

    assert await dies_at_each_call(rig, lambda: rig.conversations.dispatch(ANN)) > 5
    await rig.settle(ANN)
    assert [ticket.id for ticket in await rig.tickets.of_contact(ANN)] == [the_ticket("ses_1")]
    assert len(rig.phone.shown) == len(rig.kafka.facts("ticket_opened")) == 1


async def test_each_change_of_state_pushes_one_notice(rig: Rig) -> None:
    ticket = await a_repair(rig)
    await staff(rig, ticket, state="accepted", assignee="bob")
    await staff(rig, ticket, priority="high")
    await staff(rig, ticket, state="in_progress")
    await rig.settle(ANN)

    assert rig.phone.shown == [
        ("push", ANN.partition(":")[2], "Your repair no. 1: accepted."),
        ("push", ANN.partition(":")[2], "Your repair no. 1: in progress."),
    ]
    changed = rig.kafka.facts("ticket_state_changed")
    assert [(fact["previous"], fact["state"], fact["by"]) for fact in changed] == [
        ("new", "accepted", "bob"),
        ("accepted", "in_progress", "bob"),
    ]
    assert [fact["assignee"] for fact in rig.kafka.facts("ticket_assigned")] == ["bob"]


async def test_a_change_that_dies_after_any_call_pushes_one_notice(rig: Rig) -> None:
    for crash in range(1, 100):
        ticket = await a_repair(rig, f"ses_{crash}")
        rig.fuse.left, died = crash, False
        try:
            await staff(rig, ticket, state="accepted")
        except Death:
            died = True
        rig.fuse.left = None
        read = await rig.tickets.get(ticket)
        if read is not None and read.state == "new":
            await staff(rig, ticket, state="accepted")
        await rig.settle(ANN)
        assert len(rig.phone.shown) == 1, crash
        assert len(rig.kafka.facts("ticket_state_changed")) == crash
        assert await rig.waiting() == 0
        if not died:
            assert crash > 8
            return
    raise AssertionError("it never ends")


async def test_who_blocked_the_account_is_not_written_to(rig: Rig) -> None:
    ticket = await a_repair(rig)
    await rig.people.see(Person(ANN, "mbr_1", following=False))
    await staff(rig, ticket, state="accepted")

    assert rig.phone.shown == []
    assert len(rig.kafka.facts("ticket_state_changed")) == 1


async def test_closing_tells_the_working_time_without_the_waiting(rig: Rig) -> None:
    ticket = await a_repair(rig)
    for minutes, state in ((5, "accepted"), (5, "in_progress"), (0, "waiting_customer"), (60, "in_progress")):
        rig.now += timedelta(minutes=minutes)
        await staff(rig, ticket, state=state)
    for state in ("ready", "closed"):
        rig.now += timedelta(minutes=1)
        await staff(rig, ticket, state=state)

    [closed] = [fact for fact in rig.kafka.facts("ticket_state_changed") if fact["state"] == "closed"]
    assert closed["resolution_seconds"] == 12 * 60


async def test_the_first_words_of_staff_are_the_first_response_of_every_open_ticket(rig: Rig) -> None:
    one, two = await a_repair(rig, "ses_1"), await a_repair(rig, "ses_2")
    elsewhere = await a_repair(rig, "ses_3", "shop:U" + "b" * 32)
    replied_at = rig.now + timedelta(minutes=4)
    rig.now += timedelta(minutes=9)
    await rig.put(ANN, note_reply_item("rep_1", contact=ANN, by="bob", at=replied_at))
    assert await dies_at_each_call(rig, lambda: rig.conversations.dispatch(ANN)) > 3
    await rig.put(ANN, note_reply_item("rep_2", contact=ANN, by="bob", at=rig.now))
    await rig.settle(ANN)

    told = {fact["ticket"]: fact["first_response_seconds"] for fact in rig.kafka.facts("ticket_replied")}
    assert told == {one: 240, two: 240}
    untouched = await rig.tickets.get(elsewhere)
    assert untouched is not None
    assert untouched.clocks.first_response_at is None


async def test_a_missed_target_is_flagged_and_told_once(rig: Rig) -> None:
    hours = OpeningHours.model_validate(
        {"targets": {"normal": {"first_response_minutes": 10, "resolution_minutes": 30}}}
    )
    await rig.hours.save(StoredHours("shop", 1, hours, MONDAY, "ann"))
    ticket = await a_repair(rig)
    looked = []
    for minutes in (9, 1, 1, 19, 100):
        rig.now += timedelta(minutes=minutes)
        looked.append(await flag_overdue(rig.changes, rig.clock))

    assert looked == [0, 1, 0, 1, 0]
    assert [fact["target"] for fact in rig.kafka.facts("ticket_breached")] == ["first_response", "resolution"]
    read = await rig.tickets.get(ticket)
    assert read is not None
    assert ([breach.target for breach in read.breaches], read.due_at) == (["first_response", "resolution"], None)


async def test_a_ticket_due_by_hours_that_changed_gets_its_new_due_time(rig: Rig) -> None:
    targets = {"normal": {"resolution_minutes": 10}}
    hours = [OpeningHours.model_validate({"targets": targets, "holidays": each}) for each in ([], ["2026-11-09"])]
    await rig.hours.save(StoredHours("shop", 1, hours[0], MONDAY, "ann"))
    ticket = await a_repair(rig)
    await rig.hours.save(StoredHours("shop", 2, hours[1], MONDAY, "ann"))
    rig.now += timedelta(minutes=10)

    assert await flag_overdue(rig.changes, rig.clock) == 1
    read = await rig.tickets.get(ticket)
    assert read is not None
    assert (read.breaches, rig.kafka.facts("ticket_breached")) == ([], [])
    assert read.due_at == MONDAY.replace(hour=16, minute=10)
