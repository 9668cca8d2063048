"""What is kept of campaigns on the real server: newest name and state, and who clicked, in whatever order it comes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from services.insights.counters.campaigns import Campaign, Clickers, Heard, MongoCampaigns, clickers_of
from services.insights.counters.model import CampaignNews, Visit
from services.insights.counters.store import INDEXES
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)


@pytest.fixture
async def campaigns(database: Database) -> MongoCampaigns:
    await ensure_indexes(database, INDEXES)
    return MongoCampaigns(database)


def heard(campaign: str, version: int, state: str | None, name: str | None, minute: int, frozen: bool = False) -> Heard:
    news = CampaignNews(campaign, version, state, None, name, frozen)
    return Heard("shop", NOON + timedelta(minutes=minute), news)


async def test_name_and_state_are_the_newest_in_whatever_order_they_come(campaigns: MongoCampaigns) -> None:
    for number, order in enumerate(permutations(range(4))):
        campaign = f"cmp_{number}"
        story = [
            heard(campaign, 1, "draft", "First name", 0),
            heard(campaign, 3, "running", "Last name", 2),
            heard(campaign, 0, None, None, 3, frozen=True),
            heard(campaign, 9, "finished", None, 9),
        ]
        for position in order:
            await campaigns.note([story[position]])
        await campaigns.note(story[:2])
        assert await campaigns.get("shop", campaign) == Campaign(
            campaign,
            "Last name",
            "finished",
            None,
            NOON,
            NOON + timedelta(minutes=9),
            NOON + timedelta(minutes=3),
        )


async def test_two_processes_that_hear_of_a_campaign_first_at_once_make_one(campaigns: MongoCampaigns) -> None:
    items = [heard("cmp_a", version, f"s{version}", "A", version) for version in range(1, 9)]
    await asyncio.gather(*(campaigns.note([item]) for item in items))
    found = await campaigns.get("shop", "cmp_a")
    assert found is not None
    assert (found.state, found.first_at, found.last_at) == ("s8", items[0].at, items[-1].at)


async def test_campaigns_are_found_by_when_something_was_heard_of_them(campaigns: MongoCampaigns) -> None:
    await campaigns.note([heard("cmp_a", 1, "draft", "A", 0), heard("cmp_a", 2, "running", "A", 60)])
    await campaigns.note([heard("cmp_b", 1, "draft", "B", 30)])
    spans = {(0, 1): ["cmp_a"], (10, 20): ["cmp_a"], (30, 90): ["cmp_b", "cmp_a"], (61, 90): [], (-9, 0): []}
    for (begin, end), expected in spans.items():
        found = await campaigns.between(
            "shop", NOON + timedelta(minutes=begin), NOON + timedelta(minutes=end), limit=10
        )
        assert [campaign.id for campaign in found] == expected
    assert await campaigns.between("other", NOON, NOON + timedelta(days=1), limit=10) == []
    assert await campaigns.get("other", "cmp_a") is None


async def test_who_clicked_is_counted_once_and_named_where_the_link_was_a_member_s(
    campaigns: MongoCampaigns, database: Database
) -> None:
    visits = [
        Visit("cmp_a.0", "v1"),
        Visit("cmp_a.1", "v1"),
        Visit("cmp_a.0", "v2"),
        Visit("cmp_a.0", "v2", "mbr_1"),
        Visit("cmp_a.0", "v3", "mbr_1"),
        Visit("cmp_b.0", "v1"),
        Visit("menu", "v9"),
    ]
    for _ in range(2):
        for visit in reversed(visits):
            await campaigns.note_clickers(clickers_of("shop", visit))
    found = await campaigns.clickers("shop", ["cmp_a", "cmp_b", "cmp_c"])
    assert found == {"cmp_a": Clickers(browsers=3, members=1, named_browsers=2), "cmp_b": Clickers(browsers=1)}
    assert found["cmp_a"].people == 2
    assert await campaigns.clickers("other", ["cmp_a"]) == {}
    kept = str(await database["clickers"].find().to_list(length=50))
    assert all(name not in kept for name in ("mbr_1", "v1", "v2"))
