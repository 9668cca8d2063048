"""The members' store on the real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from services.binding.members.model import Member, bind, follow, unbind
from services.binding.members.store import INDEXES, Conflict, KeyTaken, MongoMembers
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
async def store(database: Database) -> MongoMembers:
    await ensure_indexes(database, INDEXES)
    return MongoMembers(database)


def a_member(number: int, channel: str = "shop") -> Member:
    member = Member(id=f"mbr_{number}", channel=channel, created_at=NOON, updated_at=NOON)
    contact = member.contact(f"{channel}:U{number}", NOON)
    follow(member, contact, NOON, f"e{number}", unblocked_hint=False)
    contact.offsets["line.events"] = 41
    return member


async def test_what_is_saved_is_read_back(store: MongoMembers) -> None:
    member = a_member(1)
    bind(member, "C-1", "staff", NOON)
    await store.save(member, [{"id": "i1", "do": "publish"}], NOON)
    read = await store.by_contact("shop:U1")
    assert read is not None
    assert (read.contacts, read.key, read.history, read.version) == (member.contacts, member.key, member.history, 1)
    assert read.waiting == 1


async def test_a_second_writer_of_the_same_version_is_refused(store: MongoMembers) -> None:
    await store.save(a_member(1), [], NOON)
    first, second = await store.get("mbr_1"), await store.get("mbr_1")
    assert first is not None
    assert second is not None
    await store.save(first, [], NOON)
    with pytest.raises(Conflict):
        await store.save(second, [], NOON)
    assert second.version == 1


async def test_of_two_makers_of_one_member_one_is_refused(store: MongoMembers) -> None:
    results = await asyncio.gather(*(store.save(a_member(1), [], NOON) for _ in range(5)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 4 + ["NoneType"]


async def test_a_customer_key_belongs_to_one_member_of_an_account(store: MongoMembers) -> None:
    first, second, elsewhere = a_member(1), a_member(2), a_member(3, channel="other")
    bind(first, "C-1", "staff", NOON)
    await store.save(first, [], NOON)
    await store.save(second, [], NOON)
    bind(second, "c-1", "staff", NOON)
    with pytest.raises(KeyTaken):
        await store.save(second, [], NOON)
    bind(elsewhere, "C-1", "staff", NOON)
    await store.save(elsewhere, [], NOON)
    unbind(first, "staff", NOON)
    await store.save(first, [], NOON)
    await store.save(second, [], NOON)


async def test_members_without_a_key_do_not_stand_in_each_others_way(store: MongoMembers) -> None:
    for number in range(5):
        await store.save(a_member(number), [], NOON)
    unbound = await store.page(["shop"], bound=False, after=None, limit=10)
    assert [member.id for member in unbound] == [f"mbr_{number}" for number in range(5)]
    assert await store.page(["shop"], bound=True, after=None, limit=10) == []
    later = await store.page(None, bound=None, after="mbr_2", limit=1)
    assert [member.id for member in later] == ["mbr_3"]
    assert await store.page(["other"], bound=None, after=None, limit=10) == []


async def test_an_older_snapshot_after_a_newer_one_is_noticed(store: MongoMembers) -> None:
    await store.save(a_member(1), [], NOON)
    assert not await store.see_published("mbr_1", [1, 2, 5])
    assert await store.see_published("mbr_1", [4])
    assert not await store.see_published("mbr_1", [4, 6])
    assert not await store.see_published("nobody", [1])
