"""Routes for staff: campaigns as drafts, their list, their edits."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.broadcast.campaigns.bodies import (
    CampaignBody,
    CampaignEdit,
    CampaignPage,
    CampaignView,
    summary,
    view,
)
from services.broadcast.campaigns.desk import CampaignDesk
from services.broadcast.campaigns.model import Campaign, State
from services.broadcast.campaigns.store import CampaignStore
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import from_millis, to_millis
from shared.preconditions import Expected, Idempotency, body_digest, check_version, etag, same_request
from shared.problems import Problem


async def visible_campaign(store: CampaignStore, campaign_id: str, principal: Principal) -> Campaign:
    """Return a campaign the caller may see.

    Raises:
        Problem: 404, the same for one that does not exist and another channel's.
    """
    campaign = await store.get(campaign_id)
    if campaign is None or not principal.sees(campaign.channel):
        raise Problem("not-found", "no such campaign")
    return campaign


def shown(campaign: Campaign, response: Response) -> CampaignView:
    """Return a campaign's view, its ETag on the response."""
    response.headers["etag"] = etag(campaign.version)
    return view(campaign)


def campaign_routes(desk: CampaignDesk, audit: Audit, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/campaigns` that make and show campaigns."""
    router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])
    store = desk.life.store
    known = [channel.slug for channel in desk.channels]
    reader = Annotated[Principal, Depends(allowed(keys, "campaigns.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "campaigns.write"))]

    def see_channel(channel: str, principal: Principal) -> None:
        if channel not in known or not principal.sees(channel):
            raise Problem("not-found", "no such channel")

    @router.post("", status_code=201)
    async def create_campaign(
        body: CampaignBody, principal: writer, key: Idempotency, response: Response
    ) -> CampaignView:
        """Make a draft; the same Idempotency-Key again returns the same one."""
        see_channel(body.channel, principal)
        desk.contents.check(body.messages)
        campaign_id = key.object_id("cmp", principal)
        digest = body_digest(body.model_dump(mode="json"))
        await audit.note(principal.id, "campaigns.create", campaign_id)
        campaign = await desk.create(campaign_id, body, digest, f"key:{principal.id}")
        same_request(campaign.request, digest)
        return shown(campaign, response)

    @router.get("")
    async def list_campaigns(
        principal: reader,
        channel: str | None = None,
        state: State | None = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> CampaignPage:
        """List campaigns, newest first."""
        if channel is not None:
            see_channel(channel, principal)
        channels = [channel] if channel else principal.only(known)
        campaigns = await store.page(channels, state, _position(cursor), limit + 1)
        last = campaigns[limit - 1] if len(campaigns) > limit else None
        more = encode_cursor([to_millis(last.created_at), last.id]) if last else None
        return CampaignPage(items=[summary(campaign) for campaign in campaigns[:limit]], next_cursor=more)

    @router.get("/{campaign_id}")
    async def get_campaign(campaign_id: str, principal: reader, response: Response) -> CampaignView:
        """Show a campaign; the ETag is its version."""
        return shown(await visible_campaign(store, campaign_id, principal), response)

    @router.patch("/{campaign_id}")
    async def edit_campaign(
        campaign_id: str, body: CampaignEdit, principal: writer, expected: Expected, response: Response
    ) -> CampaignView:
        """Change a draft or a planned campaign; needs the ETag as If-Match."""
        campaign = await visible_campaign(store, campaign_id, principal)
        check_version(expected, campaign.version)
        await audit.note(principal.id, "campaigns.edit", campaign_id)
        return shown(await desk.edit(campaign, body, expected), response)

    return router


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    position = decode_cursor(cursor, 2)
    if position is None:
        return None
    millis, last = position
    if not isinstance(millis, int) or not isinstance(last, str) or not 0 <= millis <= 4_102_444_800_000:
        raise Problem("invalid", errors=[{"pointer": "/query/cursor", "detail": "is no cursor of this list"}])
    return from_millis(millis), last
