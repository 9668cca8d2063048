"""Planned starts: begun when they are due; one that was missed for too long asks a person first (features F80)."""

from __future__ import annotations

from collections.abc import Sequence

from services.broadcast.campaigns.life import CampaignLife, told
from services.broadcast.campaigns.model import SYSTEM, Campaign, is_overdue, move
from shared.mongo import Document


async def start_due(life: CampaignLife) -> None:
    """Start every campaign whose time has come, the earliest first."""

    def decide(campaign: Campaign) -> Sequence[Document] | None:
        at, schedule = life.now(), campaign.schedule
        if campaign.state != "scheduled" or schedule is None or schedule.at > at:
            return None
        if is_overdue(schedule, at):
            return [told(move(campaign, "paused", by=SYSTEM, at=at, reason="overdue"))]
        return [told(move(campaign, "freezing", by=SYSTEM, at=at))]

    for campaign_id in await life.store.due(life.now()):
        await life.change(campaign_id, decide)
