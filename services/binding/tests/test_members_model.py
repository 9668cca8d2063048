"""The rules of a member: time order, facts of change, keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.binding.members.model import (
    BadKey,
    Member,
    attribute,
    bind,
    erase,
    follow,
    normalise_key,
    see,
    snapshot,
    unbind,
    unfollow,
)
from shared.events import MemberBound, MemberFollowed, MemberUnfollowed

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CONTACT = "shop:U" + "1" * 32


def a_member() -> Member:
    return Member(id="mbr_1", channel="shop", created_at=NOON, updated_at=NOON)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def test_a_first_follow_is_told_as_first_and_a_second_one_as_a_return() -> None:
    member = a_member()
    contact = member.contact(CONTACT, NOON)
    [first] = follow(member, contact, minutes(0), "e1", unblocked_hint=False).facts
    unfollow(member, contact, minutes(1), "e2")
    back = follow(member, contact, minutes(2), "e3", unblocked_hint=True)
    assert isinstance(first, MemberFollowed)
    assert first.first
    assert back.returning
    assert [fact.type for fact in back.facts if isinstance(fact, MemberFollowed)] == ["followed"]


def test_lines_hint_counts_only_without_own_history() -> None:
    member = a_member()
    contact = member.contact(CONTACT, NOON)
    assert follow(member, contact, NOON, "e1", unblocked_hint=True).returning


def test_an_older_follow_changes_no_state_and_tells_nothing() -> None:
    member = a_member()
    contact = member.contact(CONTACT, NOON)
    assert unfollow(member, contact, minutes(5), "e2") == ()
    late = follow(member, contact, minutes(1), "e1", unblocked_hint=False)
    assert (late.news, late.facts, contact.following) == (False, (), False)


@given(st.permutations(range(8)))
def test_any_order_of_arrival_ends_in_the_newest_state_and_balanced_facts(order: list[int]) -> None:
    member = a_member()
    contact = member.contact(CONTACT, NOON)
    reach = 0
    for moment in order:
        if moment % 2 == 0:
            facts = follow(member, contact, minutes(moment), f"e{moment}", unblocked_hint=False).facts
        else:
            facts = unfollow(member, contact, minutes(moment), f"e{moment}")
        reach += sum(1 if isinstance(fact, MemberFollowed) else -1 for fact in facts)
        assert all(isinstance(fact, MemberFollowed | MemberUnfollowed) for fact in facts)
        assert reach == (1 if contact.following else 0)
    assert contact.following is False
    assert contact.first_followed_at == minutes(0)


def test_the_source_of_a_follow_is_told_once() -> None:
    member = a_member()
    contact = member.contact(CONTACT, NOON)
    assert attribute(member, contact, "window", verified=True) == ()
    follow(member, contact, NOON, "e1", unblocked_hint=False)
    assert len(attribute(member, contact, "window", verified=True)) == 1
    assert attribute(member, contact, "flyer", verified=True) == ()
    assert (contact.source, contact.source_basis) == ("window", "liff")


@pytest.mark.parametrize("same", ["C-100", " c-100 ", "Ｃ－１００"])
def test_blanks_case_and_width_make_no_other_key(same: str) -> None:
    member = a_member()
    assert len(bind(member, "C-100", "staff", NOON)) == 1
    assert bind(member, same, "staff", minutes(1)) == ()
    assert len(member.history) == 1


@pytest.mark.parametrize("bad", ["", "   ", "\u3000", "a\nb", "x" * 65, "a\u200bb"])
def test_what_cannot_be_a_key_is_refused_with_the_reason(bad: str) -> None:
    with pytest.raises(BadKey, match="a customer key"):
        normalise_key(bad)


def test_a_changed_key_is_history_and_no_second_binding() -> None:
    member = a_member()
    [bound] = bind(member, "A", "staff", NOON)
    assert isinstance(bound, MemberBound)
    assert bind(member, "B", "staff", minutes(1)) == ()
    assert len(unbind(member, "staff", minutes(2))) == 1
    assert unbind(member, "staff", minutes(3)) == ()
    assert [(change.old, change.new) for change in member.history] == [(None, "A"), ("A", "B"), ("B", None)]


def test_erasing_leaves_nothing_of_the_person() -> None:
    member = a_member()
    follow(member, member.contact(CONTACT, NOON), NOON, "e1", unblocked_hint=False)
    bind(member, "A", "staff", NOON)
    assert erase(member, minutes(1)) == [CONTACT]
    told = snapshot(member, 2)
    assert (told.contacts, told.keys, told.bound, member.history) == ((), {}, False, [])


def test_a_sign_of_life_is_worth_telling_once_an_hour() -> None:
    contact = a_member().contact(CONTACT, NOON)
    assert see(contact, minutes(0))
    assert not see(contact, minutes(30))
    assert see(contact, minutes(100))
    assert not see(contact, minutes(10))
    assert contact.last_seen_at == minutes(100)
