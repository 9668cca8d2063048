"""Conversations on the real store: compare-and-set, lists in order, erasure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.ticketing.conversations.model import Conversation, ReplyToken
from services.ticketing.conversations.store import INDEXES, Conflict, MongoConversations, Wanted
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
async def store(database: Database) -> MongoConversations:
    await ensure_indexes(database, INDEXES)
    return MongoConversations(database)


def conversation(name: str = "1", minutes: int = 0, channel: str = "cafe", **more: object) -> Conversation:
    at = AT + timedelta(minutes=minutes)
    return Conversation(f"{channel}:U{name}", channel, created_at=AT, last_at=at, **more)  # type: ignore[arg-type]


async def test_what_is_written_is_read_back(store: MongoConversations) -> None:
    talk = conversation(
        opening=2,
        opened_at=AT,
        first_response_at=AT,
        unread=3,
        assignee="kim",
        tags=["vip"],
        replies=["rpl_1"],
        token=ReplyToken("t", AT),
        flow={"id": "ses_1", "answers": {"name": "Ann"}},
        offsets={"line.events": 7, "retry.ticketing": 0},
    )
    await store.save(talk, [{"id": "a", "do": "publish"}, {"id": "b", "do": "answer"}], AT)
    assert await store.get(talk.id) == replace(talk, waiting=2)
    await store.save(talk, [{"id": "c", "do": "answer"}], AT)
    assert await store.get(talk.id) == replace(talk, waiting=3)
    assert await store.get("cafe:nobody") is None


async def test_of_many_writers_of_one_version_one_wins(store: MongoConversations) -> None:
    async def write(talk: Conversation) -> bool:
        try:
            await store.save(talk, [], AT)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(write(conversation(unread=number)) for number in range(8)))) == 1
    read = [await store.get("cafe:U1") for _ in range(8)]
    assert sum(await asyncio.gather(*(write(each) for each in read if each))) == 1
    found = await store.get("cafe:U1")
    assert found is not None
    assert found.version == 2


async def test_a_refused_write_leaves_the_version_as_it_was_read(store: MongoConversations) -> None:
    await store.save(conversation(), [], AT)
    late = conversation()
    with pytest.raises(Conflict):
        await store.save(late, [], AT)
    assert late.version == 0


async def test_a_list_is_newest_first_over_accounts_and_goes_on_without_a_gap_or_a_repeat(
    store: MongoConversations,
) -> None:
    for number in range(10):
        channel = "cafe" if number % 3 else "shop"
        await store.save(conversation(str(number), minutes=number // 2, channel=channel), [], AT)
    everything = await store.page(["cafe", "shop"], Wanted(), None, 100)
    order = [(talk.last_at, talk.id) for talk in everything]
    assert order == sorted(order, reverse=True)
    assert len(order) == 10
    walked: list[tuple[datetime, str]] = []
    after = None
    while page := await store.page(["cafe", "shop"], Wanted(), after, 3):
        walked += [(talk.last_at, talk.id) for talk in page]
        after = walked[-1]
    assert walked == order


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ["4", "3", "2", "1"]),
        (Wanted(state="resolved"), ["3"]),
        (Wanted(assignee="kim"), ["4", "2"]),
        (Wanted(team="repairs", state="open"), ["2"]),
        (Wanted(unread=True), ["4", "1"]),
        (Wanted(unread=False, assignee="kim"), ["2"]),
    ],
)
async def test_filters_narrow_a_list(store: MongoConversations, wanted: Wanted, names: list[str]) -> None:
    for talk in (
        conversation("1", 1, unread=1),
        conversation("2", 2, assignee="kim", team="repairs"),
        conversation("3", 3, state="resolved", team="repairs"),
        conversation("4", 4, assignee="kim", unread=2),
        conversation("5", 5, channel="shop", unread=2, assignee="kim"),
    ):
        await store.save(talk, [], AT)
    assert [talk.id for talk in await store.page(["cafe"], wanted, None, 10)] == [f"cafe:U{name}" for name in names]


async def test_an_erased_contact_has_no_conversation_and_may_begin_anew(store: MongoConversations) -> None:
    await store.save(conversation(), [{"id": "a", "do": "answer"}], AT)
    await store.forget("cafe:U1")
    assert await store.get("cafe:U1") is None
    await store.save(conversation(), [], AT)
