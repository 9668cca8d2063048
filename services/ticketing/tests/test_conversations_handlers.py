"""A customer writes, the process dies anywhere, the record comes again: one conversation, one fact, one answer."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.ticketing.autoreplies.model import Rule
from services.ticketing.tests.desk_rig import ANN, USER, DeskRig, record, text_event
from services.ticketing.tests.ticket_rig import MONDAY, Death
from shared.answering import answering_service
from shared.clock import to_millis
from shared.consumer import BadRecord
from shared.line_events import read_line_event
from shared.mongo import Database
from shared.testing.line_webhooks import envelope, event

pytestmark = pytest.mark.integration

FIXTURES = Path(__file__).parents[3] / "tests/fixtures/line"
OFFER = Rule("shop", "offer", ("offer",), messages=({"type": "text", "text": "20 % off"},))


@pytest.fixture
async def rig(database: Database) -> DeskRig:
    made = DeskRig(database)
    await made.prepare()
    await made.rules.save(OFFER)
    return made


async def test_a_message_read_again_changes_nothing(rig: DeskRig) -> None:
    for _ in range(3):
        await rig.arrive(record(1, text_event("offer")))
    await rig.settle()
    assert rig.phone.shown == [("reply", "", "20 % off")]
    assert await rig.said() == ["in: offer", "out: 20 % off"]
    conversation = await rig.changes.store.get(ANN)
    assert conversation is not None
    assert (conversation.unread, conversation.opening, conversation.version) == (1, 1, 1)
    [fact] = rig.kafka.facts("conversation_opened")
    assert (fact["contact"], fact["opening"]) == (ANN, 1)


async def test_a_process_that_dies_after_any_call_leaves_one_of_everything(database: Database) -> None:
    for calls in range(1, 60):
        rig = DeskRig(database)
        await database.client.drop_database(database.name)
        await rig.prepare()
        await rig.rules.save(OFFER)
        rig.fuse.left = calls
        run = [record(1, text_event("offer"))]
        died = False
        try:
            await rig.arrive(*run)
        except Death:
            died = True
            await rig.arrive(*run)
        rig.fuse.left = None
        await rig.settle()
        assert [text for _, _, text in rig.phone.shown] == ["20 % off"], calls
        assert await rig.said() == ["in: offer", "out: 20 % off"], calls
        assert len(rig.kafka.facts("conversation_opened")) == 1, calls
        if not died:
            assert calls > 5
            return
    raise AssertionError("a message takes more calls than that?")


async def test_an_answer_comes_after_what_it_answers_though_line_s_clock_is_ahead(rig: DeskRig) -> None:
    rig.now = MONDAY - timedelta(seconds=30)
    await rig.arrive(record(1, text_event("offer")))
    assert await rig.said() == ["in: offer", "out: 20 % off"]


async def test_two_processes_with_two_messages_of_a_new_contact_make_one_conversation(
    rig: DeskRig, database: Database
) -> None:
    other = DeskRig(database)
    await asyncio.gather(rig.arrive(record(1, text_event("one"))), other.arrive(record(2, text_event("two"))))
    conversation = await rig.changes.store.get(ANN)
    assert conversation is not None
    assert conversation.opening == 1
    assert len(rig.kafka.facts("conversation_opened") + other.kafka.facts("conversation_opened")) == 1


@pytest.mark.parametrize(
    "source", [{"type": "group", "groupId": "C" + "1" * 32, "userId": USER}, {"type": "room", "roomId": "R" + "1" * 32}]
)
async def test_of_groups_nothing_is_kept_or_answered_but_the_count(rig: DeskRig, source: dict[str, Any]) -> None:
    await rig.arrive(record(1, text_event("offer") | {"source": source}))
    assert rig.phone.shown == []
    assert await rig.database["messages"].count_documents({}) == 0
    assert await rig.database["conversations"].count_documents({}) == 0
    assert rig.ignored.labels(source["type"])._value.get() == 1


async def test_what_says_nothing_opens_no_conversation(rig: DeskRig) -> None:
    silent = [
        event("follow", USER, replyToken="t", follow={"isUnblocked": False}),
        event("unfollow", USER),
        event("postback", USER, replyToken="t", postback={"data": "a=coupon.claim"}),
        event("unsend", USER, unsend={"messageId": "m"}),
        event("messageEdited", USER, message={"id": "m", "type": "text", "text": "x"}),
        event("hologramSent", USER),
    ]
    await rig.arrive(*(record(number, each) for number, each in enumerate(silent)))
    assert await rig.changes.store.get(ANN) is None
    assert rig.phone.shown == []


async def test_every_message_and_every_unsend_is_told_to_the_rooms_that_keep_more_of_it(rig: DeskRig) -> None:
    image = event("message", USER, MONDAY, message={"id": "p", "type": "image"}, replyToken="t")
    await rig.arrive(record(1, image), record(2, event("unsend", USER, unsend={"messageId": "p"})))
    assert [message.id for message in rig.kept] == ["p"]
    assert rig.unsent == [(ANN, "p")]


async def test_a_backlog_is_put_before_a_person(rig: DeskRig) -> None:
    rig.now = MONDAY + timedelta(hours=2)
    await rig.arrive(record(1, text_event("offer")))
    conversation = await rig.changes.store.get(ANN)
    assert conversation is not None
    assert (conversation.unread, rig.phone.shown) == (1, [])


async def test_of_line_s_documented_events_the_desk_answers_only_its_own(rig: DeskRig) -> None:
    events = [each for path in sorted(FIXTURES.glob("*.json")) for each in json.loads(path.read_bytes())["events"]]
    words = {each["message"]["text"] for each in events if each.get("message", {}).get("text")}
    answer = ({"type": "text", "text": "hello"},)
    await rig.rules.save(Rule("shop", "all", tuple(sorted(words)), messages=answer))
    for number, each in enumerate(events):
        user = f"U{number:032x}"
        each |= {"timestamp": to_millis(MONDAY), "webhookEventId": f"e{number}", "replyToken": f"t{number}"}
        each |= {"source": {"type": "user", "userId": user}, "deliveryContext": {"isRedelivery": False}}
        before = len(rig.phone.shown)
        await rig.arrive(record(number, each))
        owned = answering_service(read_line_event(envelope("shop", each))) == "ticketing"
        text = each["type"] == "message" and each.get("message", {}).get("type") == "text"
        assert len(rig.phone.shown) - before == int(owned and text), each["type"]


async def test_what_is_no_event_is_a_bad_record(rig: DeskRig) -> None:
    broken = record(1, text_event("x"))
    with pytest.raises(BadRecord, match="no LINE event"):
        await rig.arrive(type(broken)(broken.at, broken.key, b"{}", (), MONDAY, broken.at))
