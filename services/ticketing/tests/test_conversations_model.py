"""A conversation's openings, clocks and reply token: pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticketing.conversations.model import (
    REPLIES_REMEMBERED,
    Conversation,
    ReplyToken,
    is_courtesy,
    note_answer,
    note_reply,
    receive,
    reopen,
    resolve,
    take_token,
)
from shared.events import ConversationClosed, ConversationOpened, DeskFact

CONTACT = "cafe:U" + "1" * 32
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
GRACE = timedelta(hours=72)


def conversation() -> Conversation:
    return Conversation(CONTACT, "cafe", created_at=AT, last_at=AT)


def write(talk: Conversation, at: datetime = AT, event_id: str = "e1", *, courtesy: bool = False) -> list[DeskFact]:
    return receive(talk, at, event_id, courtesy=courtesy, member="mbr_1", grace=GRACE)


def resolved(at: datetime = AT) -> Conversation:
    talk = conversation()
    write(talk)
    resolve(talk, "kim", at, member="mbr_1")
    return talk


def test_the_first_message_opens_the_first_opening_and_the_next_only_counts() -> None:
    talk = conversation()
    [fact] = write(talk)
    assert isinstance(fact, ConversationOpened)
    assert (fact.contact, fact.opening, fact.occurred_at, fact.member) == (CONTACT, 1, AT, "mbr_1")
    assert write(talk, AT + timedelta(seconds=1), "e2") == []
    assert (talk.opening, talk.unread, talk.state) == (1, 2, "open")


@pytest.mark.parametrize(
    ("after", "opening", "facts"),
    [
        (timedelta(minutes=-5), 1, 0),
        (timedelta(0), 1, 0),
        (GRACE, 1, 0),
        (GRACE + timedelta(milliseconds=1), 2, 1),
        (timedelta(days=400), 2, 1),
    ],
)
def test_a_message_after_resolving_opens_the_same_opening_within_the_grace_period_and_the_next_later(
    after: timedelta, opening: int, facts: int
) -> None:
    talk = resolved()
    talk.assignee, talk.team = "kim", "repairs"
    told = write(talk, AT + after, "e9")
    assert (talk.state, talk.opening, len(told)) == ("open", opening, facts)
    assert talk.resolved_at is None
    assert talk.team == "repairs"
    assert talk.assignee == ("kim" if opening == 1 else None)


def test_thanks_or_a_sticker_after_resolving_opens_nothing_and_before_it_is_a_message() -> None:
    talk = resolved()
    assert write(talk, AT + timedelta(hours=1), "e2", courtesy=True) == []
    assert (talk.state, talk.unread) == ("resolved", 0)
    fresh = conversation()
    assert len(write(fresh, courtesy=True)) == 1
    assert fresh.unread == 1


@pytest.mark.parametrize(
    "text",
    ["thanks", " Thank you!! ", "ＴＨＡＮＫＳ", "謝謝", "謝謝🙏", "好的，謝謝。", "ありがとうございます！", "ขอบคุณค่ะ"],
)
def test_bare_thanks_are_a_courtesy(text: str) -> None:
    assert is_courtesy(text)


@pytest.mark.parametrize("text", ["", "🙏", "thanks, but it leaks again", "謝謝 但是又漏水了", "no thanks to you"])
def test_anything_more_than_thanks_is_a_message(text: str) -> None:
    assert not is_courtesy(text)


def test_resolving_tells_the_times_of_the_opening_and_ends_the_flow() -> None:
    talk = conversation()
    write(talk)
    talk.flow = {"flow": "repair"}
    note_answer(talk, AT + timedelta(seconds=10), by_staff=False)
    note_answer(talk, AT + timedelta(seconds=90), by_staff=True)
    note_answer(talk, AT + timedelta(seconds=300), by_staff=True)
    [fact] = resolve(talk, "kim", AT + timedelta(hours=1), member=None)
    assert isinstance(fact, ConversationClosed)
    assert (fact.first_response_seconds, fact.resolution_seconds, fact.by) == (90, 3600, "kim")
    assert talk.unread == 0
    assert not talk.flow
    assert resolve(talk, "kim", AT + timedelta(hours=2), member=None) == []


def test_closed_again_after_it_was_taken_up_again_is_the_same_fact_to_consumers() -> None:
    talk = conversation()
    write(talk)
    [first] = resolve(talk, "kim", AT + timedelta(hours=1), member=None)
    reopen(talk)
    [second] = resolve(talk, "kim", AT + timedelta(hours=2), member=None)
    write(talk, AT + GRACE * 2, "e5")
    [third] = resolve(talk, "kim", AT + GRACE * 3, member=None)
    assert first.id == second.id != third.id


def test_a_new_opening_has_a_first_response_of_its_own() -> None:
    talk = resolved()
    note_answer(talk, AT + timedelta(hours=1), by_staff=True)
    assert talk.first_response_at is None
    write(talk, AT + GRACE * 2, "e2")
    note_answer(talk, AT + GRACE * 2 + timedelta(seconds=5), by_staff=True)
    assert talk.first_response_at == AT + GRACE * 2 + timedelta(seconds=5)


def test_a_reply_by_staff_is_noted_once_among_the_newest() -> None:
    talk = conversation()
    write(talk)
    assert note_reply(talk, "rpl_1", AT)
    assert not note_reply(talk, "rpl_1", AT)
    for number in range(REPLIES_REMEMBERED):
        note_reply(talk, f"rpl_more_{number}", AT)
    assert len(talk.replies) == REPLIES_REMEMBERED


def test_a_kept_reply_token_is_good_for_one_answer_while_it_is_fresh() -> None:
    talk = conversation()
    talk.token = ReplyToken("t", AT)
    assert take_token(talk, AT + timedelta(seconds=49)) == ReplyToken("t", AT)
    assert take_token(talk, AT + timedelta(seconds=49)) is None
    talk.token = ReplyToken("t", AT)
    assert take_token(talk, AT + timedelta(seconds=50)) is None


@given(st.lists(st.tuples(st.sampled_from(["write", "thank", "resolve", "reopen"]), st.integers(0, 400)), max_size=30))
def test_openings_only_grow_and_one_fact_opens_each(steps: list[tuple[str, int]]) -> None:
    talk, told, at = conversation(), [], AT
    for number, (what, hours) in enumerate(steps):
        at += timedelta(hours=hours)
        if what in {"write", "thank"}:
            told += write(talk, at, f"e{number}", courtesy=what == "thank")
        elif what == "resolve" and talk.opening:
            resolve(talk, "kim", at, member=None)
        elif what == "reopen" and talk.opening:
            reopen(talk)
        assert (talk.state == "resolved") == (talk.resolved_at is not None)
    openings = [fact.opening for fact in told if isinstance(fact, ConversationOpened)]
    assert openings == list(range(1, talk.opening + 1))
