"""Messages on the real store: whatever the order and however often, the same thread comes out."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ticketing.messages.model import PENDING, Delivery, Message, Text, delivery_of, read_message
from services.ticketing.messages.store import INDEXES, MongoMessages, stored_id
from shared.answers import notice_item
from shared.line_events import read_line_event
from shared.mongo import Database, ensure_indexes
from shared.testing.line_webhooks import envelope, message

pytestmark = pytest.mark.integration

USER = "U" + "1" * 32
CONTACT = f"cafe:{USER}"
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
Step = Callable[[MongoMessages], Awaitable[Any]]


@pytest.fixture
async def store(database: Database) -> MongoMessages:
    await ensure_indexes(database, INDEXES)
    return MongoMessages(database)


def incoming(message_id: str = "m", text: str | None = "first", at: datetime = AT, **more: Any) -> Message:
    texts = (Text(at, text),) if text is not None else ()
    return Message(message_id, "cafe", CONTACT, "in", "text", at, texts, {"quoteToken": "q"}, event_id="e", **more)


def seconds(number: int) -> datetime:
    return AT + timedelta(seconds=number)


SAID: dict[str, Step] = {
    "message": lambda store: store.keep(incoming()),
    "edit": lambda store: store.edit(CONTACT, "m", "second", seconds(10)),
    "later edit": lambda store: store.edit(CONTACT, "m", "third", seconds(20)),
}
UNSENT: dict[str, Step] = SAID | {"unsend": lambda store: store.unsend(CONTACT, "m", seconds(30))}


@pytest.mark.parametrize("order", list(itertools.permutations(SAID)))
async def test_the_newest_edit_is_shown_whatever_order_they_came_in(
    store: MongoMessages, order: tuple[str, ...]
) -> None:
    for name in (*order, *order):
        await SAID[name](store)
    found = await store.get("cafe", "m")
    assert found is not None
    assert found.text == "third"
    assert [(version.at, version.text) for version in found.by_time] == [
        (AT, "first"),
        (seconds(10), "second"),
        (seconds(20), "third"),
    ]
    assert (found.at, found.kind, found.payload) == (AT, "text", {"quoteToken": "q"})


@pytest.mark.parametrize("order", list(itertools.permutations(UNSENT))[::3])
async def test_of_an_unsent_message_nothing_is_left_but_a_stub_whatever_order(
    store: MongoMessages, order: tuple[str, ...], database: Database
) -> None:
    for name in (*order, *order):
        await UNSENT[name](store)
    found = await store.get("cafe", "m")
    assert found is not None
    assert (found.texts, found.payload, found.unsent_at) == ((), None, seconds(30))
    assert (found.at, found.kind, found.direction) == (AT, "text", "in")
    [document] = [document async for document in database["messages"].find({})]
    assert not {"first", "second", "third"} & set(str(document).replace("'", " ").split())


@pytest.mark.parametrize("kind", ["image", "video", "audio", "file", "sticker", "location", "hologram"])
async def test_a_message_of_any_kind_keeps_its_fields(store: MongoMessages, kind: str) -> None:
    event = message(USER, kind)
    event["message"] |= {"id": "m", "odd": {"deep": [1, None]}}
    read = read_message(read_line_event(envelope("cafe", event)))
    assert read is not None
    await store.keep(read)
    assert await store.get("cafe", "m") == read
    assert read.payload == {"odd": {"deep": [1, None]}}


@pytest.mark.parametrize("body", [{}, {"message": None}, {"message": {"type": "text"}}, {"message": {"id": 5}}])
def test_a_message_event_without_a_message_is_none(body: dict[str, Any]) -> None:
    event = {name: value for name, value in message(USER).items() if name != "message"} | body
    assert read_message(read_line_event(envelope("cafe", event))) is None


async def test_what_becomes_of_an_answer_is_kept_and_never_goes_back_to_pending(store: MongoMessages) -> None:
    said = [{"type": "text", "text": "hello {name}"}]
    item = notice_item("e1.auto_reply", purpose="auto_reply", messages=said, contact=CONTACT, at=AT)
    await store.await_end([item], AT)
    pending = await store.get("cafe", "e1.auto_reply")
    assert pending is not None
    assert pending.delivery == Delivery(PENDING)
    final = item | {"messages": [{"type": "text", "text": "hello Ann"}]}
    await store.end(final, delivery_of("push", "req-1", seconds(2)))
    await store.await_end([item], seconds(5))
    found = await store.get("cafe", "e1.auto_reply")
    assert found is not None
    assert found.delivery == Delivery("accepted", "push", "req-1", seconds(2))
    assert (list(found.messages), found.at, found.direction) == (final["messages"], AT, "out")


@pytest.mark.parametrize("end", ["rejected", "quota", "expired", "unsettled", "not_served"])
async def test_an_answer_that_was_not_sent_says_why(store: MongoMessages, end: str) -> None:
    item = notice_item("n1", purpose="ticket_notice", messages=[], contact=CONTACT, at=AT)
    await store.end(item, delivery_of(end, None, AT))
    found = await store.get("cafe", "n1")
    assert found is not None
    assert found.delivery == Delivery(end, None, None, AT)


async def test_a_thread_is_in_line_s_order_of_time_and_pages_without_gap_or_repeat(store: MongoMessages) -> None:
    for number in (3, 0, 2, 1, 4):
        await store.keep(incoming(f"m{number}", at=seconds(number // 2)))
    assert await store.add(Message("note_1", "cafe", CONTACT, "note", "note", seconds(9), (Text(AT, "hm"),), by="kim"))
    assert not await store.add(Message("note_1", "cafe", CONTACT, "note", "note", seconds(9)))
    await store.keep(Message("x", "cafe", "cafe:U" + "2" * 32, "in", "text", AT))
    whole = await store.page(CONTACT, None, 100)
    assert [found.id for found in whole] == ["note_1", "m4", "m3", "m2", "m1", "m0"]
    walked: list[str] = []
    before = None
    while page := await store.page(CONTACT, before, 2):
        walked += [found.id for found in page]
        before = (page[-1].at, stored_id("cafe", page[-1].id))
    assert walked == [found.id for found in whole]


async def test_an_erased_contact_has_no_messages(store: MongoMessages) -> None:
    await store.keep(incoming())
    await store.edit(CONTACT, "other", "text", AT)
    await store.forget(CONTACT)
    assert await store.page(CONTACT, None, 10) == []
