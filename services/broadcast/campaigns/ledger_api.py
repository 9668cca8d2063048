"""Routes for staff: how a campaign's sending goes, and what became of each person."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from services.broadcast.campaigns.api import visible_campaign
from services.broadcast.campaigns.bodies import ProgressView, RecipientPage, RecipientView, frozen_view
from services.broadcast.campaigns.model import Campaign
from services.broadcast.campaigns.store import CampaignStore
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.model import Fate, Tally
from shared.api import Limit, decode_cursor, encode_cursor
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now

Outcome = Literal["pending", "sending", "accepted", "rejected", "unknown", "cancelled", "skipped"]
RATE_SECONDS = 60
_SCAN = 500
_SCANS = 20
"""One request looks at 10,000 people at most for those with an outcome."""


def ledger_routes(store: CampaignStore, chunks: Chunks, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes of `/v1/campaigns/{id}` that show the ledger."""
    router = APIRouter(prefix="/v1/campaigns/{campaign_id}", tags=["campaigns"])
    reader = Annotated[Principal, Depends(allowed(keys, "campaigns.read"))]

    @router.get("/progress")
    async def get_progress(campaign_id: str, principal: reader) -> ProgressView:
        """Show where the sending is; the numbers are people."""
        campaign = await visible_campaign(store, campaign_id, principal)
        at = now()
        recent = await chunks.accepted_since(campaign_id, at - timedelta(seconds=RATE_SECONDS))
        return progress(campaign, await chunks.counts(campaign_id), recent, at)

    @router.get("/recipients")
    async def list_recipients(
        campaign_id: str,
        principal: reader,
        outcome: Outcome | None = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> RecipientPage:
        """List what became of everyone, or of those with one outcome, by contact."""
        await visible_campaign(store, campaign_id, principal)
        position = decode_cursor(cursor, 1)
        after = str(position[0]) if position else None
        if outcome is None:
            fates = await chunks.recipients(campaign_id, after, limit + 1)
            more = encode_cursor([fates[limit - 1].contact]) if len(fates) > limit else None
            return RecipientPage(items=[_recipient(fate) for fate in fates[:limit]], next_cursor=more)
        found, last = await _search(chunks, campaign_id, outcome, after, limit)
        more = encode_cursor([last]) if last is not None else None
        return RecipientPage(items=[_recipient(fate) for fate in found], next_cursor=more)

    @router.get("/recipients/{contact}")
    async def get_recipient(campaign_id: str, contact: str, principal: reader) -> RecipientView:
        """Show what became of one person, whether or not the audience had them."""
        await visible_campaign(store, campaign_id, principal)
        fate = await chunks.find_recipient(campaign_id, contact)
        return RecipientView(contact=contact, outcome="not_in_audience") if fate is None else _recipient(fate)

    return router


async def _search(
    chunks: Chunks, campaign_id: str, outcome: Outcome, after: str | None, limit: int
) -> tuple[list[Fate], str | None]:
    """Return people with an outcome, and the last one looked at where there may be more."""
    found: list[Fate] = []
    for _ in range(_SCANS):
        fates = await chunks.recipients(campaign_id, after, _SCAN)
        for fate in fates:
            if fate.outcome == outcome:
                found.append(fate)
                if len(found) == limit:
                    return found, fate.contact
        if len(fates) < _SCAN:
            return found, None
        after = fates[-1].contact
    return found, after


def _recipient(fate: Fate) -> RecipientView:
    return RecipientView(
        contact=fate.contact,
        outcome=fate.outcome,
        reason=fate.reason,
        chunk=fate.chunk,
        request_id=fate.request_id,
        at=fate.at,
    )


def progress(campaign: Campaign, tally: Tally, recent: int, at: datetime) -> ProgressView:
    """Return what staff see of a campaign's sending; `recent` people were accepted within the last minute."""
    running_for = (at - _running_since(campaign)).total_seconds() if campaign.state == "running" else 0.0
    rate = recent / max(1.0, min(RATE_SECONDS, running_for)) if running_for else 0.0
    left = tally.recipients.get("pending", 0) + tally.recipients.get("sending", 0)
    return ProgressView(
        state=campaign.state,
        paused_reason=campaign.paused_reason,
        frozen=frozen_view(campaign),
        pending=tally.recipients.get("pending", 0),
        sending=tally.recipients.get("sending", 0),
        accepted=tally.recipients.get("accepted", 0),
        rejected=tally.recipients.get("rejected", 0),
        unknown=tally.recipients.get("unknown", 0),
        cancelled=tally.recipients.get("cancelled", 0),
        skipped=dict(tally.skipped),
        blocked=campaign.blocked,
        rate=round(rate, 2),
        seconds_left=round(left / rate, 1) if rate else None,
        as_of=at,
    )


def _running_since(campaign: Campaign) -> datetime:
    since = [step.at for step in campaign.history if step.state == "running"]
    return since[-1] if since else campaign.created_at
