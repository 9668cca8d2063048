"""What a restored service needs to know of the topics before it starts, service by service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from musubi.backup.owned import Place
from services.binding.members.restored import lift_members
from services.broadcast.campaigns.restored import settle_campaigns
from services.ticketing.tickets.restored import leave_a_gap
from shared.broker import read_to_end, reading
from shared.erasures import Erasures
from shared.topics import CAMPAIGN_EVENTS, MEMBER_STATE


async def after_care(
    place: Place, backed_up_at: datetime, kafka_url: str, erasures: Erasures, now: datetime
) -> Sequence[str]:
    """Fit a loaded database to what was published since its backup, and return in words what a person should know."""
    match place.service:
        case "binding":
            return await _binding(place, backed_up_at, kafka_url, erasures, now)
        case "broadcast":
            return await _broadcast(place, kafka_url, now)
        case "ticketing":
            await leave_a_gap(place.database)
    return []


async def _binding(
    place: Place, backed_up_at: datetime, kafka_url: str, erasures: Erasures, now: datetime
) -> Sequence[str]:
    async with erasures.following(), reading(kafka_url, MEMBER_STATE) as consumer:
        await erasures.until_read()
        done = await lift_members(place.database, read_to_end(consumer), erasures, backed_up_at, now)
    told = [
        (done.lifted, "members were changed since; they are published again under higher versions"),
        (done.made, "members were made since; their events make them again"),
        (done.erased, "members were erased since, and are erased again"),
    ]
    return [f"{count} {words}" for count, words in told if count]


async def _broadcast(place: Place, kafka_url: str, now: datetime) -> Sequence[str]:
    async with reading(kafka_url, CAMPAIGN_EVENTS) as consumer:
        done = await settle_campaigns(place.database, read_to_end(consumer), now)
    told = [
        (done.stopped, "no longer sending; look at them before they go on"),
        (done.cancelled, "cancelled, since their audience would be fixed and sent to anew"),
        (done.missing, "made since the backup; only campaign.events knows them"),
    ]
    remarks = [f"campaigns {words}: {', '.join(campaigns)}" for campaigns, words in told if campaigns]
    if done.unknown_chunks:
        remarks.append(
            f"{done.unknown_chunks} chunks are unknown: they may have been sent since, and are not sent again"
        )
    return remarks
