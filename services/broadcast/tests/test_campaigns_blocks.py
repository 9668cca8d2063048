"""Blame for blocks: who is charged, once, however late the answer; too many stop a campaign."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.broadcast.campaigns.blocks import on_member_events
from services.broadcast.campaigns.model import BLAME
from services.broadcast.tests.campaign_rig import CHANNEL, Rig, contact, rig_on
from shared import topics
from shared.clock import utcnow
from shared.consumer import BadRecord, Coordinates, Record
from shared.events import MemberFollowed, MemberUnfollowed, encode
from shared.ids import ulid
from shared.mongo import Database

pytestmark = pytest.mark.integration

_OFFSETS = itertools.count()


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


def record(value: bytes) -> Record:
    at = Coordinates(topics.MEMBER_EVENTS, 0, next(_OFFSETS))
    return Record(at, b"mbr_a", value, (), utcnow(), at)


def unfollowed(who: str, at: datetime) -> Record:
    event = MemberUnfollowed(id=f"mev_{ulid()}", channel=CHANNEL, occurred_at=at, member="mbr_a", contact=who)
    return record(encode(event))


async def blocked(rig: Rig, number: int, at: datetime | None = None) -> None:
    await on_member_events([unfollowed(contact(number), at or rig.clock())], rig.here.block_deps)


def told(rig: Rig, campaign: str) -> list[str]:
    return [fact["contact"] for fact in rig.broker.facts(campaign) if fact["type"] == "recipient_blocked"]


async def test_a_block_is_charged_once_to_each_campaign_of_the_last_24_hours(rig: Rig) -> None:
    await rig.friends(True, True)
    now = rig.clock()
    early, first, second = [await rig.started() for _ in range(3)]
    for campaign, at in ((early, now - BLAME - timedelta(minutes=1)), (first, now), (second, now)):
        await rig.accept(campaign, 0, at)
    for _ in range(2):
        await blocked(rig, 0)
    assert [told(rig, campaign) for campaign in (early, first, second)] == [[], [contact(0)], [contact(0)]]
    assert [(await rig.campaign(campaign)).blocked for campaign in (early, first, second)] == [0, 1, 1]
    assert (await rig.ask("GET", f"/{first}/progress")).json()["blocked"] == 1


async def test_who_was_not_sent_to_is_not_charged(rig: Rig) -> None:
    await rig.friends(True, False, True)
    campaign = await rig.started(chunk_size=1)
    await rig.accept(campaign, 0)
    for number in (1, 2, 99):
        await blocked(rig, number)
    await rig.here.relay()
    assert told(rig, campaign) == []
    other = await rig.draft()
    assert other["state"] == "draft"


@pytest.mark.parametrize(("end", "charged"), [("accepted", True), ("rejected", False), ("unknown", False)])
async def test_a_block_known_before_the_answer_waits_for_it(rig: Rig, end: str, charged: bool) -> None:
    await rig.friends(True)
    campaign = await rig.started()
    chunks = rig.here.chunks.collection
    await chunks.update_one({"campaign": campaign}, {"$set": {"state": "sending"}})
    await blocked(rig, 0, rig.clock() - timedelta(seconds=1))
    await rig.here.relay()
    assert told(rig, campaign) == []
    await chunks.update_one({"campaign": campaign}, {"$set": {"state": end, "ended_at": rig.clock()}})
    await rig.here.relay()
    assert bool(told(rig, campaign)) is charged
    assert (await rig.campaign(campaign)).blocked == int(charged)
    assert await rig.here.blocks.collection.count_documents({"pending": {"$ne": []}}) == 0


async def test_too_many_blocks_stop_a_campaign(rig: Rig) -> None:
    await rig.friends(*[True] * 6)
    limit: dict[str, Any] = {"per_1000": 250, "least": 4}
    campaign = await rig.started(chunk_size=2, block_limit=limit)
    for n in range(2):
        await rig.accept(campaign, n)
    await blocked(rig, 0)
    assert (await rig.campaign(campaign)).state == "running"
    await blocked(rig, 1)
    stopped = await rig.campaign(campaign)
    assert (stopped.state, stopped.paused_reason) == ("paused", "blocks")
    assert rig.broker.states(campaign)[-1] == "paused"


async def test_after_the_campaign_ended_its_blocks_still_count_for_a_day(rig: Rig) -> None:
    await rig.friends(True, True)
    campaign = await rig.started()
    await rig.accept(campaign, 0)
    await rig.here.life.finish(campaign)
    rig.clock.forward(hours=23)
    await blocked(rig, 0)
    rig.clock.forward(hours=3)
    await blocked(rig, 1)
    assert told(rig, campaign) == [contact(0)]


async def test_other_events_are_passed_over_and_what_is_none_is_a_dead_letter(rig: Rig) -> None:
    followed = MemberFollowed(id="mev_a", channel=CHANNEL, occurred_at=utcnow(), member="mbr_a", contact=contact(0))
    await on_member_events([record(encode(followed)), record(b'{"type":"sneezed"}')], rig.here.block_deps)
    with pytest.raises(BadRecord):
        await on_member_events([record(b'{"type":"unfollowed"}')], rig.here.block_deps)
