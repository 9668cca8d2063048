"""A ticket's rules: which state follows which, its clock, its targets."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticketing.clocks.model import Desk, Period, Stopwatch, WorkingTime
from services.ticketing.tickets import facts
from services.ticketing.tickets.model import (
    HISTORY_LIMIT,
    STATES,
    TRANSITIONS,
    BadTransition,
    Clocks,
    State,
    Ticket,
    assign,
    flag_breaches,
    move,
    next_due,
    prioritise,
    respond,
    ticket_id,
)
from services.ticketing.tickets.texts import languages, state_notice, wording
from shared.events import encode

TAIPEI = ZoneInfo("Asia/Taipei")
FRIDAY = datetime(2026, 11, 6, 17, 50, tzinfo=TAIPEI).astimezone(UTC)
MONDAY = datetime(2026, 11, 9, 9, 10, tzinfo=TAIPEI).astimezone(UTC)
OFFICE = WorkingTime(TAIPEI, ((Period(540, 1080),),) * 5 + ((), ()))
MINUTE = timedelta(minutes=1)


def a_ticket(**changes: object) -> Ticket:
    """A new repair, opened on Friday at 17:50."""
    fields: dict[str, object] = {
        "id": ticket_id("ses_1"),
        "number": 7,
        "channel": "shop",
        "contact": "shop:U1",
        "member": "mbr_1",
        "kind": "repair",
        "opened_at": FRIDAY,
        "opened_by": "repair",
        "clocks": Clocks(Stopwatch(since=FRIDAY)),
        "version": 1,
    }
    return Ticket(**(fields | changes))  # type: ignore[arg-type]


def a_desk(first_response: int | None = None, resolution: int | None = None) -> Desk:
    """An office whose targets for normal tickets are so many minutes."""
    targets = {"first_response": first_response, "resolution": resolution}
    given = {name: timedelta(minutes=value) for name, value in targets.items() if value is not None}
    return Desk(OFFICE, {"normal": given})  # type: ignore[dict-item]


ALLOWED = {(old, new) for old, followers in TRANSITIONS.items() for new in followers}


@pytest.mark.parametrize(("old", "new"), [pair for pair in itertools.product(STATES, STATES) if pair[0] != pair[1]])
def test_only_what_may_follow_does(old: State, new: State) -> None:
    ticket = a_ticket(state=old)
    if (old, new) in ALLOWED:
        move(ticket, new, "ann", MONDAY, Desk())
        assert (ticket.state, [(e.field, e.old, e.new, e.by) for e in ticket.history]) == (
            new,
            [("state", old, new, "ann")],
        )
    else:
        with pytest.raises(BadTransition, match="final" if old in ("closed", "cancelled") else "can become"):
            move(ticket, new, "ann", MONDAY, Desk())
        assert (ticket.state, ticket.history) == (old, [])


def test_the_way_of_a_repair_is_open_and_cancelling_is_possible_until_it_is_closed() -> None:
    way = ("new", "accepted", "in_progress", "waiting_customer", "in_progress", "ready", "closed")

    assert set(itertools.pairwise(way)) <= ALLOWED
    assert {old for old, new in ALLOWED if new == "cancelled"} == set(STATES) - {"closed", "cancelled"}
    assert {state for state in STATES if not TRANSITIONS[state]} == {"closed", "cancelled"}


def test_the_same_again_changes_nothing() -> None:
    ticket, desk = a_ticket(assignee="ann"), Desk()
    move(ticket, "new", "ann", MONDAY, desk)
    prioritise(ticket, "normal", "ann", MONDAY)

    assert not assign(ticket, "ann", MONDAY, assignee="ann", team=None)
    assert ticket == a_ticket(assignee="ann")


def test_reassignment_is_logged_with_who_when_old_and_new() -> None:
    ticket = a_ticket(assignee="ann")

    assert assign(ticket, "bob", MONDAY, assignee="cid", team="north")
    assert [(e.at, e.by, e.field, e.old, e.new) for e in ticket.history] == [
        (MONDAY, "bob", "assignee", "ann", "cid"),
        (MONDAY, "bob", "team", None, "north"),
    ]


def test_the_history_keeps_the_newest_entries() -> None:
    ticket = a_ticket()
    for number in range(HISTORY_LIMIT + 5):
        assign(ticket, "ann", MONDAY, assignee=str(number), team=None)

    assert len(ticket.history) == HISTORY_LIMIT
    assert ticket.history[-1].new == str(HISTORY_LIMIT + 4)


def test_a_response_over_the_weekend_took_twenty_working_minutes() -> None:
    ticket = a_ticket()

    assert respond(ticket, MONDAY, a_desk())
    assert ticket.clocks.first_response_seconds == 20 * 60
    assert not respond(ticket, MONDAY + MINUTE, a_desk())


@pytest.mark.parametrize("at", [FRIDAY - MINUTE, MONDAY + MINUTE])
def test_words_before_the_opening_or_after_the_end_are_no_response(at: datetime) -> None:
    ticket = a_ticket()
    move(ticket, "cancelled", "ann", MONDAY, Desk())

    assert not respond(ticket, at, Desk())


def test_the_clock_stands_while_the_customer_is_waited_for() -> None:
    ticket, desk = a_ticket(opened_at=MONDAY, clocks=Clocks(Stopwatch(since=MONDAY))), a_desk()
    steps: list[tuple[int, State]] = [
        (0, "accepted"),
        (10, "in_progress"),
        (30, "waiting_customer"),
        (90, "in_progress"),
        (100, "ready"),
        (115, "closed"),
    ]
    for minutes, state in steps:
        move(ticket, state, "ann", MONDAY + minutes * MINUTE, desk)

    assert ticket.clocks.resolution_seconds == (30 + 25) * 60
    assert ticket.closed_at == MONDAY + 115 * MINUTE


def test_a_cancelled_ticket_has_no_resolution() -> None:
    ticket = a_ticket()
    move(ticket, "cancelled", "ann", MONDAY, a_desk())

    assert ticket.clocks == Clocks(Stopwatch(worked=20 * MINUTE))
    assert ticket.final


def test_the_next_due_target_is_the_earliest_left() -> None:
    ticket, desk = a_ticket(), a_desk(first_response=20, resolution=60)
    assert next_due(ticket, desk) == MONDAY

    respond(ticket, MONDAY - MINUTE, desk)
    assert next_due(ticket, desk) == MONDAY + 40 * MINUTE
    assert next_due(ticket, a_desk()) is None


def test_nothing_is_due_while_the_clock_stands_and_later_it_is_due_later() -> None:
    ticket = a_ticket(state="in_progress", opened_at=MONDAY, clocks=Clocks(Stopwatch(since=MONDAY)))
    desk = a_desk(resolution=60)
    move(ticket, "waiting_customer", "ann", MONDAY + 50 * MINUTE, desk)
    assert next_due(ticket, desk) is None

    move(ticket, "in_progress", "ann", MONDAY + 200 * MINUTE, desk)
    assert next_due(ticket, desk) == MONDAY + 210 * MINUTE


def test_a_missed_target_is_flagged_once() -> None:
    ticket, desk = a_ticket(), a_desk(first_response=20, resolution=60)

    assert flag_breaches(ticket, MONDAY - MINUTE, desk) == []
    assert flag_breaches(ticket, MONDAY, desk) == ["first_response"]
    assert flag_breaches(ticket, MONDAY + MINUTE, desk) == []
    assert flag_breaches(ticket, MONDAY + 60 * MINUTE, desk) == ["resolution"]
    assert [(breach.target, breach.at) for breach in ticket.breaches] == [
        ("first_response", MONDAY),
        ("resolution", MONDAY + 60 * MINUTE),
    ]
    assert next_due(ticket, desk) is None


def test_another_priority_has_other_targets() -> None:
    ticket = a_ticket()
    desk = Desk(OFFICE, {"urgent": {"resolution": 5 * MINUTE}})
    assert next_due(ticket, desk) is None

    prioritise(ticket, "urgent", "ann", FRIDAY)
    assert next_due(ticket, desk) == FRIDAY + 5 * MINUTE


steps = st.lists(
    st.tuples(st.integers(0, 3000), st.sampled_from([*STATES, "respond", "assign", "urgent", "look"])), max_size=25
)


@given(steps)
def test_whatever_happens_clocks_stay_within_the_wall_and_breaches_single(what: list[tuple[int, str]]) -> None:
    """Any run of events: the readings fit the time that passed, and what is due lies where the flag will find it."""
    ticket, at = a_ticket(), FRIDAY
    hour: dict[object, timedelta] = {"first_response": 60 * MINUTE, "resolution": 240 * MINUTE}
    desk = Desk(OFFICE, {"normal": hour, "urgent": {"resolution": 30 * MINUTE}})  # type: ignore[dict-item]
    for minutes, action in what:
        at += minutes * MINUTE
        flag_breaches(ticket, at, desk)
        if action == "respond":
            respond(ticket, at, desk)
        elif action == "assign":
            assign(ticket, "ann", at, assignee="bob", team=None)
        elif action == "urgent":
            prioritise(ticket, "urgent", "ann", at)
        elif action in TRANSITIONS[ticket.state]:
            move(ticket, action, "ann", at, desk)
        worked = ticket.clocks.watch.reading(desk.hours, at)
        assert timedelta() <= worked <= at - FRIDAY
        targets = [breach.target for breach in ticket.breaches]
        assert len(targets) == len(set(targets))
        if (due := next_due(ticket, desk)) is not None:
            assert flag_breaches(a_copy(ticket), due, desk) != []
            assert due <= at or flag_breaches(a_copy(ticket), due - MINUTE, desk) == []


def a_copy(ticket: Ticket) -> Ticket:
    return a_ticket(state=ticket.state, priority=ticket.priority, clocks=ticket.clocks, breaches=ticket.breaches)


def test_facts_of_one_change_are_the_same_facts_however_often_they_are_made() -> None:
    ticket = a_ticket()
    assert facts.opened(ticket).id == facts.opened(a_ticket(version=5)).id

    move(ticket, "accepted", "ann", MONDAY, Desk())
    first, again = (facts.state_changed(ticket, "new", "ann", MONDAY) for _ in range(2))
    assert encode(first) == encode(again)
    ticket.version += 1
    assert facts.state_changed(ticket, "new", "ann", MONDAY).id != first.id


def test_what_becomes_of_an_erased_persons_ticket_is_told_of_nobody() -> None:
    assert facts.assigned(a_ticket(contact=None, member=None), "ann", MONDAY).contact == "shop:erased"


@pytest.mark.parametrize("language", languages())
def test_every_state_has_words_in_every_language(language: str) -> None:
    told = {state_notice(a_ticket(state=state), language) for state in STATES}

    assert len(told) == len(STATES)
    assert all("7" in text and "{" not in text for text in told)
    assert state_notice(a_ticket(kind="complaint"), language) != state_notice(a_ticket(), language)


def test_a_language_without_words_is_told_in_english() -> None:
    assert wording("fr") == wording("en")
