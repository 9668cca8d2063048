"""A sender that dies at any step: each frozen recipient ends up in exactly one accepted request (features E6)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.broadcast.tests.sending_rig import Campaign, Life, Rig, rig_on
from shared.mongo import Database
from shared.testing.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


async def finished_or_dead(rig: Rig, campaign: Campaign, life: Life) -> bool:
    return life.over.is_set() or await rig.state(campaign) == "finished"


async def live(rig: Rig, campaign: Campaign, life: Life) -> None:
    """Send until the campaign is finished or the process dies."""
    async with rig.process(life):
        await eventually(lambda: finished_or_dead(rig, campaign, life), 20)


async def test_a_sender_that_dies_at_any_step_loses_and_doubles_nothing(rig: Rig) -> None:
    """Each write to the store, each call of LINE and each publication, before it and after it."""
    step, died = 0, True
    while died:
        step += 1
        life = Life(dies_at=step)
        campaign = await rig.campaign(chunks=6, each=2)
        await live(rig, campaign, life)
        died = life.over.is_set()
        if died:
            rig.clock.forward(seconds=30)
            await live(rig, campaign, Life())
        await rig.assert_sent_once(campaign)
    assert step > 30


@pytest.mark.parametrize("seed", range(3))
async def test_senders_that_die_again_and_again_lose_and_double_nothing(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    campaign = await rig.campaign(chunks=12)
    deaths = 0
    while await rig.state(campaign) != "finished":
        life = Life(dies_at=chance.randint(1, 40) if deaths < 12 else None)
        await live(rig, campaign, life)
        deaths += life.over.is_set()
        rig.clock.forward(seconds=30)
    assert deaths
    await rig.assert_sent_once(campaign)
