"""Fixing audiences: who is in which chunk, that death at any step changes nothing of it, that it happens once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from services.broadcast.campaigns.model import Campaign
from services.broadcast.campaigns.planned import start_due
from services.broadcast.sending.documents import CHUNKS, PEOPLE, read_people
from services.broadcast.sending.model import NewChunk
from services.broadcast.tests.campaign_rig import Rig, always, contact, rig_on
from services.broadcast.tests.sending_rig import Death, Life, MortalDatabase
from shared.mongo import Database

pytestmark = pytest.mark.integration

MOST = 4
CROWD = [None if n % 7 == 3 else n % 5 != 2 for n in range(23)]
"""Friends, people who blocked, people who never followed."""
SENT_TO = [contact(n) for n, follows in enumerate(CROWD) if follows]
SKIPPED = {contact(n): "never_followed" if CROWD[n] is None else "blocked" for n in range(23) if not CROWD[n]}


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


async def chunks_of(rig: Rig, campaign: str) -> list[dict[str, Any]]:
    """Every chunk with its people, without what differs by chance."""
    found = []
    async for chunk in rig.database[CHUNKS].find({"campaign": campaign}).sort("_id", 1):
        people = await rig.database[PEOPLE].find_one({"_id": chunk["people"]})
        assert people is not None
        about = {name: chunk[name] for name in ("n", "first", "last", "frozen", "skips", "state")}
        found.append(about | {"recipients": list(read_people(people).recipients), "skipped": people["skipped"]})
    return found


async def begun(rig: Rig, **more: Any) -> Campaign:
    """A campaign that waits to be frozen."""
    campaign = await rig.draft(**{"chunk_size": MOST} | more)
    assert (await rig.ask("POST", f"/{campaign['id']}/start", json={})).status_code == 200
    return await rig.campaign(campaign["id"])


async def test_everyone_is_in_one_chunk_in_order_or_skipped_with_the_reason(rig: Rig) -> None:
    await rig.friends(*CROWD)
    campaign = await rig.campaign(await rig.started(chunk_size=MOST))
    chunks = await chunks_of(rig, campaign.id)

    assert [person for chunk in chunks for person in chunk["recipients"]] == SENT_TO
    assert {skip["contact"]: skip["reason"] for chunk in chunks for skip in chunk["skipped"]} == SKIPPED
    assert [chunk["n"] for chunk in chunks] == list(range(len(chunks)))
    assert all(len(chunk["recipients"]) == MOST for chunk in chunks[:-1])
    assert all(before["last"] < after["first"] for before, after in itertools.pairwise(chunks))
    assert (campaign.state, campaign.frozen.done) == ("running", True)
    assert (campaign.frozen.recipients, campaign.frozen.chunks) == (len(SENT_TO), len(chunks))
    assert sum(campaign.frozen.skipped.values()) == len(SKIPPED)
    assert rig.broker.states(campaign.id) == ["draft", "freezing", "running"]
    [frozen] = [fact for fact in rig.broker.facts(campaign.id) if fact["type"] == "frozen"]
    assert (frozen["recipients"], frozen["chunks"]) == (len(SENT_TO), len(chunks))
    assert frozen["skipped"] == campaign.frozen.skipped


async def test_death_at_any_step_and_another_start_make_the_same_audience(rig: Rig) -> None:
    await rig.friends(*CROWD[:10])
    undisturbed = await rig.campaign(await rig.started(chunk_size=MOST))
    expected = await chunks_of(rig, undisturbed.id)

    dies_at, survived = 1, False
    while not survived:
        campaign = await begun(rig)
        life = Life(dies_at)
        dying = replace(rig.here, database=cast(Database, MortalDatabase(rig.database, life)))
        try:
            await dying.freeze()
            survived = not life.over.is_set()
        except Death:
            pass
        await rig.here.freeze()
        await rig.here.relay()
        frozen = await rig.campaign(campaign.id)
        assert await chunks_of(rig, campaign.id) == expected, dies_at
        assert replace(frozen.frozen, done=True) == undisturbed.frozen, dies_at
        assert rig.broker.states(campaign.id) == ["draft", "freezing", "running"], dies_at
        assert [fact["type"] for fact in rig.broker.facts(campaign.id)].count("frozen") == 1
        dies_at += 1
    assert dies_at > 4 * len(expected)


async def test_two_processes_that_freeze_at_once_make_one_audience(rig: Rig) -> None:
    await rig.friends(*CROWD)
    campaign = await begun(rig)
    other = replace(rig.here)
    await asyncio.gather(rig.here.freeze(), other.freeze(), rig.here.freeze())
    chunks = await chunks_of(rig, campaign.id)

    assert [person for chunk in chunks for person in chunk["recipients"]] == SENT_TO
    frozen = (await rig.campaign(campaign.id)).frozen
    assert (frozen.recipients, frozen.chunks) == (len(SENT_TO), len(chunks))
    assert rig.broker.states(campaign.id) == ["draft", "freezing", "running"]


async def test_the_audience_changes_neither_with_its_segment_nor_with_people(rig: Rig) -> None:
    contacts = await rig.friends(True, True, True)
    segment = await rig.segment({"field": "contact", "in": contacts[:2]})
    campaign = await begun(rig, segment=segment)
    await rig.database["segments"].update_one({"_id": segment}, {"$set": {"written": '{"all": []}'}})
    await rig.here.freeze()
    await rig.database["people"].update_many({}, {"$set": {"following": False}})
    await rig.here.freeze()

    [chunk] = await chunks_of(rig, campaign.id)
    assert chunk["recipients"] == contacts[:2]


async def test_many_who_are_skipped_fill_chunks_too(rig: Rig) -> None:
    await rig.friends(*[False] * 20, True)
    campaign = await rig.started(chunk_size=2)
    chunks = await chunks_of(rig, campaign)

    assert [len(chunk["skipped"]) for chunk in chunks] == [8, 8, 4]
    assert chunks[-1]["recipients"] == [contact(20)]


async def test_an_audience_of_nobody_is_finished_at_once(rig: Rig) -> None:
    campaign = await rig.campaign(await rig.started())
    assert (campaign.state, campaign.frozen.done, campaign.frozen.chunks) == ("finished", True, 0)
    assert rig.broker.states(campaign.id) == ["draft", "freezing", "finished"]


async def test_what_is_more_than_the_quota_waits_for_a_person(rig: Rig) -> None:
    await rig.friends(True)
    campaign = await begun(rig)
    await rig.control("PUT", "/cafe/quota", {"type": "limited", "value": 100, "used": 100})
    await rig.here.freeze()
    paused = await rig.campaign(campaign.id)
    assert (paused.state, paused.paused_reason, paused.frozen.done) == ("paused", "quota", True)

    answer = await rig.ask("POST", f"/{campaign.id}/resume")
    assert answer.json()["state"] == "running"


async def test_a_pause_while_it_is_frozen_is_kept_and_it_goes_on_from_there(rig: Rig) -> None:
    await rig.friends(*CROWD)
    campaign = await begun(rig)
    here = replace(rig.here)
    add, calls = here.chunks.add, itertools.count(1)

    async def add_and_pause(chunk: NewChunk) -> bool:
        if next(calls) == 2:
            await here.life.pause(campaign.id, "staff", "key:marketer")
        return await add(chunk)

    here.chunks.add = add_and_pause  # type: ignore[method-assign]
    await here.freeze()
    assert (await rig.campaign(campaign.id)).state == "paused"
    await rig.ask("POST", f"/{campaign.id}/resume")
    assert (await rig.campaign(campaign.id)).state == "freezing"
    await rig.here.freeze()
    people = [person for chunk in await chunks_of(rig, campaign.id) for person in chunk["recipients"]]
    assert people == SENT_TO
    assert rig.broker.states(campaign.id) == ["draft", "freezing", "paused", "freezing", "running"]


async def test_what_cannot_be_frozen_is_paused_and_others_go_on(rig: Rig) -> None:
    await rig.friends(True)
    broken = await begun(rig)
    await rig.here.store.collection.update_one({"_id": broken.id}, {"$set": {"pinned": '{"field": "x"}'}})
    fine = await begun(rig)
    await rig.here.freeze()
    assert [(await rig.campaign(each.id)).state for each in (broken, fine)] == ["paused", "running"]
    assert (await rig.campaign(broken.id)).paused_reason == "errors"


async def test_a_freezer_that_lost_its_lease_stops(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.friends(*CROWD)
    campaign = await begun(rig)
    monkeypatch.setattr("services.broadcast.campaigns.freezing.HOLD_SECONDS", -1.0)
    held = iter([True, True, False])

    async def hold() -> bool:
        return next(held)

    await rig.here.freezer.freeze_all(hold)
    assert (await rig.campaign(campaign.id)).frozen.chunks == 2
    await rig.here.freezer.freeze_all(always)
    assert (await rig.campaign(campaign.id)).state == "running"


@pytest.mark.parametrize(
    ("passed", "state", "reason"),
    [
        ({"minutes": 4}, "scheduled", None),
        ({"minutes": 6}, "freezing", None),
        ({"minutes": 64}, "freezing", None),
        ({"minutes": 66}, "paused", "overdue"),
    ],
)
async def test_a_planned_start_comes_in_time_or_asks_first(
    rig: Rig, passed: dict[str, float], state: str, reason: str | None
) -> None:
    await rig.friends(True)
    campaign = await rig.draft()
    at = (rig.clock() + timedelta(minutes=5)).isoformat()
    answer = await rig.ask("POST", f"/{campaign['id']}/start", json={"at": at})
    assert answer.json()["state"] == "scheduled"
    rig.clock.forward(**passed)
    await start_due(rig.here.life)
    await start_due(rig.here.life)
    now = await rig.campaign(campaign["id"])
    assert (now.state, now.paused_reason) == (state, reason)


async def test_an_overdue_start_that_a_person_resumes_is_frozen_and_sent(rig: Rig) -> None:
    await rig.friends(True)
    campaign = await rig.draft()
    at = (rig.clock() + timedelta(minutes=5)).isoformat()
    await rig.ask("POST", f"/{campaign['id']}/start", json={"at": at})
    rig.clock.forward(hours=3)
    await start_due(rig.here.life)
    await rig.ask("POST", f"/{campaign['id']}/resume")
    await rig.here.freeze()
    assert (await rig.campaign(campaign["id"])).state == "running"
    assert rig.broker.states(campaign["id"]) == ["draft", "scheduled", "paused", "freezing", "running"]
