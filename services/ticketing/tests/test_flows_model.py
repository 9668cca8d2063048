"""Guided chats: asked in order, ended once, whatever arrives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ticketing.flows.model import (
    Cancelled,
    Completed,
    Incoming,
    TimedOut,
    advance,
    expired,
    forget_message,
    start,
    with_number,
)
from services.ticketing.tests.flow_builders import AT, Chat, definition, photo, repair, text
from shared.line.messages import check_messages

SCRIPTS = [repair(), definition()]


def at_photos() -> Chat:
    """The repair chat, before its photos."""
    return Chat(repair()).send("小美", "0912-345-678", "洗衣機 W-10", "漏水")


def test_a_repair_is_asked_confirmed_and_completed() -> None:
    chat = at_photos().send(photo("1", id="s", index=1, total=1))
    assert chat.said[0].splitlines()[1:6] == [
        "Name: 小美",
        "Phone: +886912345678",
        "Product: 洗衣機 W-10",
        "Fault: 漏水",
        "Photos: 1",
    ]
    chat.press("Send")
    assert chat.step.session is None
    assert chat.step.outcome == Completed(
        {"name": "小美", "phone": "+886912345678", "product": "洗衣機 W-10", "fault": "漏水", "photos": ["1"]}
    )
    assert "R-0042" in with_number(chat.step.replies, "R-0042")[-1]["text"]


@pytest.mark.parametrize(
    ("language", "first"),
    [("zh-TW", "好的"), ("zh-Hant", "好的"), ("ja", "修理"), ("th-TH", "ยินดี"), ("EN", "Let us"), ("fr", "好的")],
)
def test_it_speaks_the_friends_language(language: str, first: str) -> None:
    assert Chat(repair(), language).said[0].startswith(first)


def test_a_wrong_phone_is_asked_again() -> None:
    chat = Chat(repair()).send("Ann", "12 34")
    assert chat.said == ["That does not look like a phone number. Please send it like 0912345678 or +886912345678."]
    assert chat.send("+886912345678").said[0].startswith("Which product")


@pytest.mark.parametrize("answer", ["letter", "LETTER", "Letter（中文）", "２", "2", "  letter "])
def test_a_choice_is_answered_in_words_or_by_its_number(answer: str) -> None:
    assert Chat(definition()).send(answer).said == ["Photos of the letter, 2 to 4."]


def test_a_branch_leads_by_the_answer() -> None:
    assert Chat(definition()).press("Gift").said == ["Your phone?"]
    ended = Chat(definition()).press("Other")
    assert ended.step.outcome == Completed({"what": "other"})


def test_what_is_said_comes_before_the_question() -> None:
    assert Chat(definition()).said == ["Hello.", "What is it about?"]


def test_a_second_tap_on_an_answered_question_changes_nothing() -> None:
    chat = Chat(definition())
    first = chat.step.replies[-1]
    chat.press("Gift")
    data = first["quickReply"]["items"][1]["action"]["data"]
    chat.send(Incoming("postback", postback=data, event_id="again"))
    assert (chat.said, chat.step.outcome) == ([], None)
    assert chat.send("0912345678").said == ["A note?"]


def test_buttons_of_another_session_and_of_others_change_nothing() -> None:
    chat = Chat(definition())
    for data in ("a=flow.choose&f=000000000000&q=what&v=gift", "a=card.show", "a=flow.cancel", "", "%%%&&&==="):
        chat.send(Incoming("postback", postback=data, event_id=data))
        assert (chat.said, chat.step.outcome) == ([], None)


@pytest.mark.parametrize("word", ["cancel", "CANCEL ", "ｃａｎｃｅｌ"])
def test_cancel_ends_it_at_any_question(word: str) -> None:
    for before in ([], ["gift"], ["gift", "0912345678"], ["letter"], ["gift", "0912345678", "skip"]):
        chat = Chat(definition()).send(*before, word)
        assert (chat.said, chat.step.session, chat.step.outcome) == (["Cancelled."], None, Cancelled())


def test_what_may_be_skipped_is_null() -> None:
    chat = Chat(definition()).send("gift", "0912345678").press("skip").press("accept")
    assert chat.step.outcome == Completed({"what": "gift", "phone": "+886912345678", "note": None})


def test_no_to_the_summary_asks_all_again() -> None:
    chat = Chat(definition()).send("gift", "0912345678", "skip").press("decline")
    assert chat.said == ["Hello.", "What is it about?"]
    assert chat.step.session is not None
    assert chat.step.session["answers"] == {}


def test_the_chat_is_over_after_its_time_and_says_so_when_the_friend_writes() -> None:
    chat = Chat(definition())
    assert chat.step.session is not None
    in_time, late = AT + timedelta(minutes=29), AT + timedelta(minutes=30)
    assert not expired(chat.step.session, in_time)
    assert advance(chat.definition, chat.step.session, text("gift"), in_time).outcome is None
    step = advance(chat.definition, chat.step.session, text("gift"), late)
    assert (step.session, step.outcome) == (None, TimedOut())
    assert [reply["text"] for reply in step.replies] == ["Timed out."]


def test_each_answer_gives_the_whole_time_again() -> None:
    chat = Chat(definition())
    for answer in ("gift", "0912345678", "a note"):
        chat.at += timedelta(minutes=29)
        chat.send(answer)
    assert chat.step.outcome is None


def test_the_same_event_again_changes_nothing() -> None:
    chat = Chat(repair()).send("Ann", "0912345678")
    incoming = text("TV")
    chat.send(incoming)
    session = chat.step.session
    chat.send(incoming)
    assert (chat.step.session, chat.said) == (session, [])


def test_another_definition_than_the_sessions_is_refused() -> None:
    chat = Chat(definition())
    assert chat.step.session is not None
    newer = chat.definition.model_copy(update={"version": 2})
    with pytest.raises(ValueError, match="version 1"):
        advance(newer, chat.step.session, text("gift"), AT)


class TestPhotos:
    def test_a_photo_twice_counts_once(self) -> None:
        chat = at_photos().send(photo("1"))
        session = chat.step.session
        chat.send(photo("1"))
        assert (chat.step.session, chat.said) == (session, [])

    def test_single_photos_are_taken_until_done(self) -> None:
        chat = at_photos().send(photo("7"), photo("5"))
        assert chat.said == ["Got 2 of up to 5 photos. Send more, or press Done."]
        assert chat.press("Done").press("Send").step.outcome == completed_with(["7", "5"])

    def test_the_most_photos_go_on_by_themselves(self) -> None:
        chat = at_photos().send(*(photo(str(number)) for number in range(1, 6)))
        assert chat.said[0].startswith("Please check")

    def test_done_before_the_set_is_whole_goes_on_and_the_late_ones_are_put_in_order(self) -> None:
        chat = at_photos().send(photo("3", id="s", index=3, total=3), "done")
        assert chat.said[0].startswith("Please check")
        chat.send(photo("1", id="s", index=1, total=3), photo("2", id="s", index=2, total=3))
        assert chat.said == []
        assert chat.send("send").step.outcome == completed_with(["1", "2", "3"])

    def test_a_set_whose_size_line_does_not_tell_is_answered_once(self) -> None:
        chat = at_photos().send(photo("1", id="s"))
        assert chat.said[0].startswith("Got 1")
        assert chat.send(photo("2", id="s")).said == []
        assert chat.send("done", "send").step.outcome == completed_with(["1", "2"])

    def test_too_few_are_asked_for_more(self) -> None:
        chat = Chat(definition()).send("letter", photo("1"), "done")
        assert chat.said == ["1 of 4"]

    def test_more_than_asked_for_keeps_the_first_by_order(self) -> None:
        chat = at_photos().send(*(photo(str(n), id="s", index=n, total=7) for n in (7, 6, 5, 4, 3, 2, 1)))
        assert chat.send("send").step.outcome == completed_with(["1", "2", "3", "4", "5"])

    def test_photos_where_words_are_asked_are_refused_once_a_set(self) -> None:
        chat = Chat(repair())
        said = [chat.send(photo(id="s", index=n, total=3)).said for n in (1, 2, 3)]
        assert said == [["Please write your name (at most 60 characters)."], [], []]

    def test_skip_leaves_them_out(self) -> None:
        assert at_photos().press("Skip").press("Send").step.outcome == completed_with([])

    def test_a_photo_that_is_taken_back_is_forgotten(self) -> None:
        chat = at_photos().send(*(photo(str(n), id="s", index=n, total=3) for n in (1, 2, 3)))
        assert chat.step.session is not None
        session = forget_message(chat.definition, chat.step.session, "2")
        step = advance(chat.definition, session, text("send"), AT)
        assert step.outcome == completed_with(["1", "3"])

    @given(order=st.permutations([1, 2, 3, 4, 5]), size=st.integers(1, 5))
    def test_any_order_of_a_set_gives_one_answer_and_one_next_question(self, order: list[int], size: int) -> None:
        chat = at_photos()
        questions = []
        for index in (each for each in order if each <= size):
            questions += chat.send(photo(f"m{index}", id="s", index=index, total=size)).said
        assert len(questions) == 1
        assert questions[0].startswith("Please check")
        assert chat.send("send").step.outcome == completed_with([f"m{index}" for index in range(1, size + 1)])


def completed_with(photos: list[str]) -> Completed:
    """The repair of `at_photos` with these photos."""
    return Completed(
        {"name": "小美", "phone": "+886912345678", "product": "洗衣機 W-10", "fault": "漏水", "photos": photos}
    )


def test_an_answer_that_is_taken_back_is_forgotten() -> None:
    chat = Chat(repair())
    name = text("小美")
    chat.send(name)
    assert chat.step.session is not None
    assert name.message_id is not None
    session = forget_message(chat.definition, chat.step.session, name.message_id)
    assert "小美" not in str(session)
    assert chat.step.session["answers"] == {"name": "小美"}


def likely() -> st.SearchStrategy[str]:
    """Texts that mean something to the scripts."""
    said = [
        "gift",
        "letter",
        "2",
        "0912345678",
        "+81 90-1234-5678",
        "漏水",
        "skip",
        "done",
        "accept",
        "decline",
        "略過",
    ]
    return st.sampled_from([*said, "send", "start over", "ok then", "", " ", "{summary}", "{number}{name}", "x" * 2001])


def image_sets() -> st.SearchStrategy[Any]:
    """LINE's imageSet, and what it might become."""
    odd = st.one_of(st.none(), st.integers(-2, 5), st.just("3"), st.booleans())
    return st.one_of(
        st.none(),
        st.fixed_dictionaries({"id": st.sampled_from(["s", "t"])}, optional={"index": odd, "total": odd}),
        st.just({"index": 1}),
        st.just({"id": 7}),
    )


@st.composite
def incomings(draw: st.DrawFn) -> Incoming | int:
    """Anything a friend may send; a number presses that button of the last message."""
    event_id = draw(st.one_of(st.just(""), st.integers(0, 10**9).map(str)))
    match draw(st.sampled_from(["text", "text", "text", "button", "button", "image", "image", "postback", "other"])):
        case "text":
            content = draw(st.one_of(likely(), likely(), st.text(st.characters(exclude_categories=()), max_size=60)))
            return Incoming("text", text=content, message_id=draw(st.sampled_from("123456789")), event_id=event_id)
        case "button":
            return draw(st.integers(0, 12))
        case "image":
            message_id = draw(st.sampled_from("123456789"))
            return Incoming("image", message_id=message_id, image_set=draw(image_sets()), event_id=event_id)
        case "postback":
            data = draw(st.one_of(st.text(max_size=50), st.just("a=flow.choose&q=what&v=gift"), st.none()))
            return Incoming("postback", postback=data, event_id=event_id)
    return Incoming(draw(st.sampled_from(["sticker", "video", "text", "image", "location", "hologram"])))


@settings(max_examples=150)
@given(
    script=st.sampled_from(SCRIPTS),
    language=st.sampled_from(["ja", "th", "en", "zh-TW", "", "x"]),
    arriving=st.lists(st.tuples(incomings(), st.integers(0, 3)), max_size=25),
)
def test_whatever_arrives_it_answers_rightly_and_ends_at_most_once(
    script: Any, language: str, arriving: list[tuple[Incoming | int, int]]
) -> None:
    at = AT
    step = start(script, "s" * 40, at, language=language)
    last = step.replies
    for incoming, minutes in arriving:
        if step.session is None:
            break
        at += timedelta(minutes=minutes)
        before = repr(step.session)
        if isinstance(incoming, int):
            buttons = last[-1]["quickReply"]["items"]
            incoming = Incoming("postback", postback=buttons[incoming % len(buttons)]["action"]["data"])
        following = advance(script, step.session, incoming, at)
        assert repr(step.session) == before, "the given session is left alone"
        assert advance(script, step.session, incoming, at) == following, "the same again for the same"
        assert (following.session is None) == (following.outcome is not None), "it is over exactly when it says so"
        assert following.replies == [] or check_messages(following.replies) == []
        assert all(len(reply["text"].encode("utf-16-le")) <= 10_000 for reply in following.replies)
        step, last = following, following.replies or last
    assert last == [] or check_messages(last) == []


@given(st.lists(likely(), max_size=12))
def test_a_photo_repeated_anywhere_changes_nothing(said: list[str]) -> None:
    chat = at_photos().send(photo("1"))
    for each in said:
        if chat.step.session is None:
            return
        again = advance(chat.definition, chat.step.session, photo("1"), chat.at)
        kept = chat.step.session["photos"].get("photos")
        if kept:
            assert again == replace(again, session=chat.step.session, replies=[], outcome=None)
        chat.send(each)
