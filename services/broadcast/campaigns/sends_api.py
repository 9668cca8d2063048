"""Routes for staff: check, test, start, pause, resume, cancel a campaign."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.broadcast.campaigns.api import shown, visible_campaign
from services.broadcast.campaigns.bodies import (
    CampaignView,
    CheckView,
    StartBody,
    TrialBody,
    TrialEndView,
    TrialView,
)
from services.broadcast.campaigns.checks import Checks
from services.broadcast.campaigns.model import Campaign, NotAllowed, may_be_named
from services.broadcast.campaigns.trials import Trial, TrialSender
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.preconditions import Idempotency, body_digest, same_request
from shared.problems import Problem


def send_routes(checks: Checks, trials: TrialSender, audit: Audit, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/campaigns/{id}` that lead to sending."""
    router = APIRouter(prefix="/v1/campaigns/{campaign_id}", tags=["campaigns"])
    desk = checks.desk
    store = desk.life.store
    reader = Annotated[Principal, Depends(allowed(keys, "campaigns.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "campaigns.write"))]
    sender = Annotated[Principal, Depends(allowed(keys, "campaigns.send"))]

    async def change(
        campaign_id: str, principal: Principal, action: str, step: Callable[[str], Awaitable[Campaign | None]]
    ) -> Campaign:
        await visible_campaign(store, campaign_id, principal)
        await audit.note(principal.id, f"campaigns.{action}", campaign_id)
        try:
            campaign = await step(f"key:{principal.id}")
        except NotAllowed as error:
            raise Problem("conflict", str(error)) from None
        if campaign is None:
            raise Problem("not-found", "no such campaign")
        return campaign

    @router.post("/check")
    async def check_campaign(campaign_id: str, principal: writer) -> CheckView:
        """Say what sending it now would mean; nothing is sent."""
        return await checks.check(await visible_campaign(store, campaign_id, principal))

    @router.post("/test-send")
    async def test_send(campaign_id: str, body: TrialBody, principal: sender, key: Idempotency) -> TrialView:
        """Push it to a few contacts; its clicks are not the campaign's. The same Idempotency-Key sends once."""
        campaign = await visible_campaign(store, campaign_id, principal)
        _refuse_strangers(body.contacts, campaign.channel)
        trial_id = key.object_id("tst", principal, campaign_id)
        digest = body_digest(body.model_dump())
        tracked = desk.contents.track(campaign.messages, campaign.channel, trial_id)
        await audit.note(principal.id, "campaigns.test_send", campaign_id)
        trial = await trials.trials.get(trial_id)
        if trial is None or len(trial.ends) < len(body.contacts):
            trial = await trials.send(trial_id, campaign_id, digest, body.contacts, tracked.messages)
        same_request(trial.request, digest)
        return _trial_view(trial)

    @router.get("/test-send/{trial_id}")
    async def get_test_send(campaign_id: str, trial_id: str, principal: reader) -> TrialView:
        """Show what became of a test."""
        await visible_campaign(store, campaign_id, principal)
        trial = await trials.trials.get(trial_id)
        if trial is None or trial.campaign != campaign_id:
            raise Problem("not-found", "no such test")
        return _trial_view(trial)

    @router.post("/start")
    async def start_campaign(
        campaign_id: str, body: StartBody, principal: sender, key: Idempotency, response: Response
    ) -> CampaignView:
        """Start it now, or plan its start. A planned one can be started anew, for another time or now."""
        campaign = await visible_campaign(store, campaign_id, principal)
        digest = body_digest(body.model_dump(mode="json"))
        request = key.object_id("str", principal, campaign_id)
        if campaign.start_request is not None and campaign.start_request.startswith(f"{request}."):
            same_request(campaign.start_request, f"{request}.{digest}")
        await audit.note(principal.id, "campaigns.start", campaign_id)
        return shown(await desk.start(campaign, body, f"{request}.{digest}", f"key:{principal.id}"), response)

    @router.post("/pause")
    async def pause_campaign(campaign_id: str, principal: sender, response: Response) -> CampaignView:
        """Stop sending; what LINE is being asked at this moment still ends."""

        async def step(by: str) -> Campaign | None:
            return await desk.life.pause(campaign_id, "staff", by)

        return shown(await change(campaign_id, principal, "pause", step), response)

    @router.post("/resume")
    async def resume_campaign(campaign_id: str, principal: sender, response: Response) -> CampaignView:
        """Go on where it was paused, whatever the reason was."""

        async def step(by: str) -> Campaign | None:
            return await desk.life.resume(campaign_id, by)

        return shown(await change(campaign_id, principal, "resume", step), response)

    @router.post("/cancel")
    async def cancel_campaign(campaign_id: str, principal: sender, response: Response) -> CampaignView:
        """End it for good: what has not begun to be sent never is."""

        async def step(by: str) -> Campaign | None:
            return await desk.life.cancel(campaign_id, by)

        return shown(await change(campaign_id, principal, "cancel", step), response)

    return router


def _refuse_strangers(contacts: list[str], channel: str) -> None:
    detail = f"must be a contact of this campaign's account: {channel}:U…, each once"
    errors = [
        {"pointer": f"/contacts/{index}", "detail": detail}
        for index, contact in enumerate(contacts)
        if not may_be_named(contact, channel) or contact in contacts[:index]
    ]
    if errors:
        raise Problem("invalid", errors=errors)


def _trial_view(trial: Trial) -> TrialView:
    ends = [
        TrialEndView(contact=each.contact, state=each.end or "waiting", request_id=each.request_id)
        for each in trial.ends
    ]
    return TrialView(id=trial.id, campaign=trial.campaign, at=trial.at, contacts=ends)
