"""A campaign's rules: which state may follow, who is skipped and why, when blocks are too many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.broadcast.campaigns.model import (
    FOLLOWING,
    HISTORY_KEPT,
    STATES,
    BlockLimit,
    Estimate,
    Frozen,
    NotAllowed,
    Schedule,
    State,
    default_unit,
    is_overdue,
    may_be_blamed,
    may_be_named,
    move,
    resumed_state,
    too_many_blocks,
    why_skipped,
)
from services.broadcast.people.model import Person
from services.broadcast.tests.campaign_rig import CHANNEL, Clock, a_campaign, contact
from shared.line.prepared import prepare_multicast

NOW = Clock()()


def a_person(line_id: str = "U" + "a" * 32, **more: Any) -> Person:
    return Person(f"{CHANNEL}:{line_id}", CHANNEL, "mbr_a", 1, NOW, **more)


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        (a_person(following=True), None),
        (a_person(following=False), "blocked"),
        (a_person(following=None), "never_followed"),
        (a_person("C" + "a" * 32, following=True), "invalid"),
        (a_person("U" + "A" * 32, following=True), "invalid"),
        (a_person("Uabc", following=True), "invalid"),
    ],
)
def test_only_friends_are_sent_to_and_others_are_skipped_with_the_reason(person: Person, reason: str | None) -> None:
    assert why_skipped(person) == reason


@given(st.lists(st.sampled_from(STATES), max_size=30))
def test_only_what_may_follow_follows_and_each_move_is_told_once(wanted: list[State]) -> None:
    campaign = a_campaign(Clock())
    facts = []
    for state in wanted:
        before = campaign.state
        if state in FOLLOWING[before]:
            fact = move(campaign, state, by="system", at=NOW)
            assert (fact.previous, fact.state, campaign.state) == (before, state, state)
            campaign.version += 1
            facts.append(fact)
        else:
            with pytest.raises(NotAllowed, match=f"{before} cannot become {state}"):
                move(campaign, state, by="system", at=NOW)
            assert campaign.state == before
    assert len({fact.id for fact in facts}) == len(facts)
    assert [step.state for step in campaign.history] == [fact.state for fact in facts]
    assert (campaign.ended_at is not None) == (campaign.state in {"finished", "cancelled"})


def test_the_start_is_noted_once_and_the_history_is_bounded() -> None:
    campaign = a_campaign(Clock())
    move(campaign, "freezing", by="key:a", at=NOW)
    for _ in range(HISTORY_KEPT):
        move(campaign, "paused", by="key:a", at=NOW + timedelta(hours=1), reason="staff")
        move(campaign, "freezing", by="key:a", at=NOW + timedelta(hours=2))
    assert campaign.started_at == NOW
    assert len(campaign.history) == HISTORY_KEPT
    assert campaign.paused_reason is None


@pytest.mark.parametrize(("done", "state"), [(False, "freezing"), (True, "running")])
def test_a_paused_campaign_goes_on_where_it_was(done: bool, state: str) -> None:
    assert resumed_state(a_campaign(Clock(), frozen=Frozen(done=done))) == state


@pytest.mark.parametrize(
    ("limit", "blocked", "accepted", "too_many"),
    [
        (None, 1000, 1000, False),
        (BlockLimit(5, 100), 1, 99, False),
        (BlockLimit(5, 100), 1, 200, False),
        (BlockLimit(5, 100), 2, 200, True),
        (BlockLimit(5, 100), 0, 0, False),
    ],
)
def test_blocks_are_too_many_only_above_the_limit_and_of_enough_people(
    limit: BlockLimit | None, blocked: int, accepted: int, too_many: bool
) -> None:
    assert too_many_blocks(limit, blocked, accepted) is too_many


@pytest.mark.parametrize(
    ("after", "blamed"),
    [
        (timedelta(hours=24), True),
        (timedelta(hours=24, seconds=1), False),
        (timedelta(0), True),
        (timedelta(minutes=-1), True),
        (timedelta(hours=-2), False),
    ],
)
def test_a_block_is_charged_for_24_hours(after: timedelta, blamed: bool) -> None:
    assert may_be_blamed(NOW, NOW + after) is blamed


def test_a_start_missed_for_more_than_an_hour_is_overdue() -> None:
    planned = Schedule(NOW, "Asia/Taipei")
    assert not is_overdue(planned, NOW + timedelta(hours=1))
    assert is_overdue(planned, NOW + timedelta(hours=1, seconds=1))
    assert planned.local == NOW
    assert planned.local.utcoffset() == timedelta(hours=8)


def test_what_is_frozen_adds_up() -> None:
    frozen = Frozen().plus("a", 500, {"blocked": 2}).plus("b", 3, {"blocked": 1, "never_followed": 4})
    assert frozen == Frozen(2, "b", 503, {"blocked": 3, "never_followed": 4})


def test_an_estimate_tells_the_same_reasons_as_the_freeze() -> None:
    assert Estimate(10, 6, 1, 20).skipped == {"never_followed": 1, "blocked": 3}
    assert Estimate(10, 10, 0, 20).skipped == {}


def test_a_unit_of_its_own_is_one_line_takes() -> None:
    unit = default_unit("cmp_0123456789abcdef0123456789abcdef")
    prepare_multicast(CHANNEL, ["U"], [{"type": "text", "text": "a"}], sent_id="a", unit=unit)
    assert unit != default_unit("cmp_1123456789abcdef0123456789abcdef")


def test_only_users_of_the_account_can_be_named() -> None:
    assert may_be_named(contact(1), CHANNEL)
    assert not may_be_named(contact(1), "other")
    assert not may_be_named(f"{CHANNEL}:C{'a' * 32}", CHANNEL)
