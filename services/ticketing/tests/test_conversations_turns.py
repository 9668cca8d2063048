"""What the desk decides on a message: flow first, then keywords, silence where no machine may answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ticketing.autoreplies.model import Rule, Rules, index
from services.ticketing.conversations.errands import OPEN_TICKET
from services.ticketing.conversations.model import Conversation
from services.ticketing.conversations.turns import Desk, UnknownVersion, apply_events
from services.ticketing.flows.definition import Definition
from services.ticketing.people.model import Person
from services.ticketing.tests.flow_builders import repair
from shared.answers import ANSWER
from shared.arrivals import Arrived
from shared.channels import Channel
from shared.line_events import LineEvent
from shared.mongo import Document

CONTACT = "cafe:U" + "1" * 32
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
CHANNEL = Channel.model_validate(
    {
        "slug": "cafe",
        "name": "Cafe",
        "destination": "U" + "0" * 32,
        "basic_id": "@cafe",
        "channel_secret": "s" * 32,
        "access_token": "t",
        "timezone": "Asia/Taipei",
        "language": "en",
    }
)
REPAIR = repair()


@dataclass(frozen=True)
class Flows:
    """A catalogue that has the built-in repair, or nothing."""

    known: Mapping[str, Definition] = field(default_factory=lambda: {REPAIR.name: REPAIR})

    def named(self, name: str) -> Definition | None:
        return self.known.get(name)

    def starting(self, text: str) -> Definition | None:
        return next((each for each in self.known.values() if text.lower() in each.start_words), None)

    def version(self, name: str, version: int) -> Definition | None:
        found = self.known.get(name)
        return found if found and found.version == version else None


def a_desk(*rules: Rule, now: datetime = AT, bound: bool = False, **more: Any) -> Desk:
    person = Person(CONTACT, "mbr_1", 1, bound=bound)
    known: Rules = index(rules)
    return Desk(CHANNEL, known, person, more.pop("flows", Flows()), timedelta(hours=72), lambda: now, **more)


def event(number: int, body: Mapping[str, Any], kind: str = "message", at: datetime = AT, **more: Any) -> Arrived:
    """The `number`th record of the contact."""
    line_event = LineEvent(
        id=f"e{number}",
        type=kind,
        mode="active",
        channel="cafe",
        contact=CONTACT,
        kind="user",
        user_id="U" + "1" * 32,
        at=at,
        received_at=at,
        redelivered=False,
        reply_token=f"token-{number}",
        body={kind: {"id": f"m{number}", **body} if kind == "message" else dict(body)},
    )
    return Arrived(msgspec_replace(line_event, **more), "line.events", number)


def msgspec_replace(line_event: LineEvent, **more: Any) -> LineEvent:
    fields = {name: getattr(line_event, name) for name in LineEvent.__struct_fields__}
    return LineEvent(**(fields | more))


def text(number: int, words: str, at: datetime = AT, **more: Any) -> Arrived:
    return event(number, {"type": "text", "text": words}, at=at, **more)


def photo(number: int, index: int, total: int, at: datetime = AT) -> Arrived:
    return event(number, {"type": "image", "imageSet": {"id": "set", "index": index, "total": total}}, at=at)


def talk() -> Conversation:
    return Conversation(CONTACT, "cafe", created_at=AT, last_at=AT)


def said(items: list[Document]) -> list[str]:
    return [message["text"] for item in items for message in (item.get("answer") or item)["messages"]]


OFFER = Rule("cafe", "offer", ("offer",), messages=({"type": "text", "text": "20 % off"},))


def test_a_keyword_is_answered_by_its_event_s_token_and_the_rest_is_silence() -> None:
    conversation = talk()
    change = apply_events(conversation, [text(1, "hello"), text(2, "Offer")], a_desk(OFFER))
    [item] = change.sends
    assert (item["do"], item["reply_token"], item["id"]) == (ANSWER, "token-2", "e2.auto_reply")
    assert said(change.sends) == ["20 % off"]
    assert (conversation.token, conversation.last_out_at) == (None, AT)


def test_an_unanswered_message_leaves_its_token_for_staff() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "offer"), text(2, "hello")], a_desk(OFFER))
    assert conversation.token is not None
    assert conversation.token.value == "token-2"


def test_an_offset_that_was_read_before_changes_nothing() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "offer"), text(2, "offer")], a_desk(OFFER))
    before = replace(conversation)
    change = apply_events(conversation, [text(1, "offer"), text(2, "offer")], a_desk(OFFER))
    assert (change.touched, change.sends, change.facts, conversation) == (False, [], [], before)


@pytest.mark.parametrize(
    ("desk", "arrived"),
    [
        (a_desk(OFFER, now=AT + timedelta(minutes=61)), text(1, "offer")),
        (a_desk(OFFER), text(1, "offer", mode="standby", reply_token=None)),
        (replace(a_desk(OFFER), channel=None), text(1, "offer")),
    ],
    ids=["over an hour old", "standby", "account not served"],
)
def test_what_no_machine_may_answer_is_kept_for_a_person(desk: Desk, arrived: Arrived) -> None:
    conversation = talk()
    change = apply_events(conversation, [arrived], desk)
    assert (change.sends, conversation.unread, conversation.state) == ([], 1, "open")


def test_help_lists_the_keywords_only_where_there_are_any() -> None:
    assert "・offer" in said(apply_events(talk(), [text(1, "help")], a_desk(OFFER)).sends)[0]
    assert apply_events(talk(), [text(1, "help")], a_desk()).sends == []


@pytest.mark.parametrize(
    ("desk", "start"),
    [
        (a_desk(Rule("cafe", "fix", ("fix it",), start_flow="repair")), text(1, "Fix it")),
        (a_desk(), text(1, "repair")),
        (a_desk(), event(1, {"data": "a=flow.start&n=repair"}, "postback")),
    ],
    ids=["rule", "start word", "button"],
)
def test_a_flow_starts_by_rule_start_word_or_button(desk: Desk, start: Arrived) -> None:
    conversation = talk()
    change = apply_events(conversation, [start], desk)
    assert conversation.flow is not None
    assert conversation.flow["flow"] == "repair"
    assert len(said(change.sends)) >= 1


def test_a_rule_on_a_start_word_goes_before_the_flow() -> None:
    conversation = talk()
    taken = Rule("cafe", "own", ("repair",), messages=({"type": "text", "text": "call us"},))
    assert said(apply_events(conversation, [text(1, "repair")], a_desk(taken)).sends) == ["call us"]
    assert conversation.flow is None


def test_two_start_words_at_once_start_one_session_and_a_later_one_begins_anew() -> None:
    conversation = talk()
    change = apply_events(conversation, [text(1, "repair"), text(2, "repair")], a_desk())
    assert len(change.sends) == 1
    assert conversation.flow is not None
    first = conversation.flow["id"]
    later = AT + timedelta(minutes=2)
    again = apply_events(conversation, [text(3, "repair", later)], a_desk(now=later))
    assert len(again.sends) == 1
    assert conversation.flow["id"] != first


def run_repair(conversation: Conversation, desk: Desk) -> list[Document]:
    """Go through the repair; its photos come out of order, at once."""
    sends = []
    told = ["repair", "Ann", "0912345678", "1", "It leaks"]
    for number, words in enumerate(told, 1):
        sends += apply_events(conversation, [text(number, words)], desk).sends
    sends += apply_events(conversation, [photo(11, 2, 3), photo(12, 1, 3), photo(13, 3, 3)], desk).sends
    for number in range(20, 25):
        if conversation.flow is None:
            break
        sends += apply_events(conversation, [text(number, "send")], desk).sends
    return sends


def test_a_completed_flow_asks_for_one_ticket_whose_answer_waits_for_its_number() -> None:
    conversation = talk()
    sends = run_repair(conversation, a_desk())
    assert conversation.flow is None
    [item] = [item for item in sends if item["do"] == OPEN_TICKET]
    assert (item["contact"], item["member"], item["kind"]) == (CONTACT, "mbr_1", REPAIR.ticket_kind)
    assert ["m12", "m11", "m13"] in item["answers"].values()
    assert "m2" in item["sources"].values()
    assert "{number}" in said([item])[-1]
    assert item is sends[-1]


def test_words_of_a_running_flow_are_no_keywords() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "repair")], a_desk(OFFER))
    change = apply_events(conversation, [text(2, "offer")], a_desk(OFFER))
    assert said(change.sends) != ["20 % off"]


def test_after_a_time_out_the_message_is_an_ordinary_one_and_both_are_said_in_one_answer() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "repair")], a_desk(OFFER))
    late = AT + timedelta(minutes=REPAIR.timeout_minutes + 1)
    change = apply_events(conversation, [text(2, "offer", late)], a_desk(OFFER, now=late))
    [item] = change.sends
    assert said([item]) == [REPAIR.timed_out["en"], "20 % off"]
    assert conversation.flow is None


def test_a_session_of_an_unread_version_asks_for_a_fresh_catalogue_and_is_let_go_where_it_is_nowhere() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "repair")], a_desk())
    with pytest.raises(UnknownVersion):
        apply_events(replace(conversation, offsets={}), [text(2, "Ann")], a_desk(flows=Flows({})))
    change = apply_events(conversation, [text(2, "Ann")], a_desk(flows=Flows({}), complete=True))
    assert (change.sends, conversation.flow) == ([], None)


def test_an_unsent_answer_leaves_the_session_too() -> None:
    conversation = talk()
    apply_events(conversation, [text(1, "repair"), text(2, "Ann")], a_desk())
    assert conversation.flow is not None
    assert "Ann" in conversation.flow["answers"].values()
    apply_events(conversation, [event(3, {"messageId": "m2"}, "unsend", reply_token=None)], a_desk())
    assert "Ann" not in conversation.flow["answers"].values()
    assert conversation.unread == 2
