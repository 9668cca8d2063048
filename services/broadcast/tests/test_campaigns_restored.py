"""Campaigns of a backup that is brought back: what may have been sent since is not sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.broadcast.campaigns.restored import Settled, settle_campaigns
from services.broadcast.tests.campaign_rig import CHANNEL, Rig, rig_on
from shared import topics
from shared.clock import utcnow
from shared.consumer import Coordinates, Record
from shared.events import CampaignFact, CampaignStateChanged, ChunkAccepted, ChunkFailed, RecipientBlocked, encode
from shared.ids import ulid
from shared.mongo import Database

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


async def settle(rig: Rig, *facts: CampaignFact) -> Settled:
    """Bring the campaigns in line with campaign.events, which holds these facts beside others of the topic."""

    async def topic() -> AsyncIterator[Record]:
        for offset, fact in enumerate([blocked(), *facts]):
            at = Coordinates(topics.CAMPAIGN_EVENTS, 0, offset)
            yield Record(at, fact.campaign.encode(), encode(fact), (), utcnow(), at)

    return await settle_campaigns(rig.database, topic(), rig.clock())


def about(campaign: str) -> dict[str, Any]:
    return {"id": ulid(), "channel": CHANNEL, "occurred_at": utcnow(), "campaign": campaign}


def blocked() -> RecipientBlocked:
    return RecipientBlocked(**about("cmp_other"), contact=f"{CHANNEL}:U{1:032x}")


def moved(campaign: str, version: int, state: str) -> CampaignStateChanged:
    return CampaignStateChanged(**about(campaign), state=state, by="system", version=version)


def accepted(campaign: str, n: int) -> ChunkAccepted:
    return ChunkAccepted(**about(campaign), chunk=n, recipients=1, request_id="req-since")


async def chunk_states(rig: Rig, campaign: str) -> Sequence[str]:
    found = rig.database["chunks"].find({"campaign": campaign}).sort("_id", 1)
    return [chunk["state"] async for chunk in found]


async def test_a_running_campaign_waits_for_a_person_and_its_open_chunks_are_unknown(rig: Rig) -> None:
    await rig.friends(True, True, True, True)
    campaign = await rig.started(chunk_size=1)
    await rig.accept(campaign, 0)

    rejected = ChunkFailed(**about(campaign), chunk=2, recipients=1, end="rejected")
    settled = await settle(rig, moved(campaign, 9, "running"), accepted(campaign, 1), rejected)

    assert (settled.stopped, settled.unknown_chunks) == ([campaign], 1)
    assert await chunk_states(rig, campaign) == ["accepted", "accepted", "rejected", "unknown"]
    stored = await rig.campaign(campaign)
    assert (stored.state, stored.paused_reason) == ("paused", "restored")
    assert stored.version > 9, "what is told of it from now on must be newer than what was told"
    second = await rig.database["chunks"].find_one({"campaign": campaign, "n": 1})
    assert second is not None
    assert second["request_id"] == "req-since"

    answer = await rig.ask("POST", f"/{campaign}/resume", json={})
    assert answer.status_code == 200, answer.text
    assert [each.id for each in await rig.here.store.in_state("running")] == [campaign]
    assert not await rig.here.chunks.unended(campaign), "a resumed campaign has nothing left to send"


async def test_settling_twice_is_settling_once(rig: Rig) -> None:
    await rig.friends(True, True)
    campaign = await rig.started(chunk_size=1)
    await settle(rig)
    once = await rig.campaign(campaign)

    again = await settle(rig)

    assert (again.stopped, again.cancelled, again.unknown_chunks) == ([], [], 0)
    assert await rig.campaign(campaign) == once


async def test_an_audience_that_was_not_fixed_yet_is_not_fixed_again(rig: Rig) -> None:
    await rig.friends(True, True)
    draft = await rig.draft(chunk_size=1)
    assert (await rig.ask("POST", f"/{draft['id']}/start", json={})).status_code == 200

    settled = await settle(rig, accepted(draft["id"], 0))

    assert settled.cancelled == [draft["id"]]
    await rig.here.freeze()
    assert await chunk_states(rig, draft["id"]) == []


@pytest.mark.parametrize(
    ("since", "state"),
    [(None, "draft"), ("scheduled", "draft"), ("freezing", "cancelled"), ("finished", "cancelled")],
)
async def test_a_draft_that_was_started_since_cannot_be_started_again(rig: Rig, since: str | None, state: str) -> None:
    await rig.friends(True)
    campaign = (await rig.draft())["id"]

    await settle(rig, *([moved(campaign, 5, since)] if since else []))

    stored = await rig.campaign(campaign)
    assert stored.state == state
    assert stored.version > (5 if since else 0)


async def test_what_was_paused_and_not_touched_since_can_go_on(rig: Rig) -> None:
    await rig.friends(True, True)
    campaign = await rig.started(chunk_size=1)
    await rig.ask("POST", f"/{campaign}/pause", json={})
    version = (await rig.campaign(campaign)).version

    settled = await settle(rig, moved(campaign, version, "paused"))

    assert (settled.stopped, settled.unknown_chunks) == ([], 0)
    assert await chunk_states(rig, campaign) == ["pending", "pending"]


async def test_what_ended_since_has_ended_and_what_was_made_since_is_named(rig: Rig) -> None:
    await rig.friends(True)
    campaign = await rig.started(chunk_size=1)

    settled = await settle(rig, accepted(campaign, 0), moved(campaign, 7, "finished"), moved("cmp_new", 1, "draft"))

    assert (await rig.campaign(campaign)).state == "finished"
    assert await chunk_states(rig, campaign) == ["accepted"]
    assert settled.missing == ["cmp_new"]
