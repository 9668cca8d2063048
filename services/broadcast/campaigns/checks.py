"""What sending a campaign now would mean, found out without sending anything (features F20, F31, F70)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from services.broadcast.campaigns.bodies import AudienceView, CheckView, LinkView, QuotaView, UntrackedView
from services.broadcast.campaigns.desk import CampaignDesk
from services.broadcast.campaigns.model import Campaign, Estimate
from services.broadcast.campaigns.quota import QuotaLeft
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Outcome, Rejected
from shared.problems import Problem

_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True)
class Checks:
    """Checks campaigns."""

    desk: CampaignDesk
    line: LineClient

    async def check(self, campaign: Campaign) -> CheckView:
        """Check what a campaign says and count whom it would reach.

        Raises:
            Problem: 422 that names the fields, where our check or LINE's refuses the messages; LINE is asked last.
        """
        self.desk.contents.check(campaign.messages)
        tracked = self.desk.contents.track(campaign.messages, campaign.channel, campaign.id)
        pinned = await self.desk.audiences.pin(campaign.channel, campaign.audience, self.desk.life.now())
        estimate = await self.desk.audiences.estimate(campaign.channel, pinned)
        quota = await self.desk.read_quota(campaign.channel)
        outcome = await self.line.sending.validate(campaign.channel, "multicast", tracked.messages)
        if isinstance(outcome, Rejected):
            raise _refused(outcome)
        return CheckView(
            audience=audience_view(estimate),
            quota=quota_view(quota, estimate.recipients),
            saved=max(0, estimate.friends - estimate.recipients),
            links=[LinkView.model_validate(link) for link in tracked.links],
            untracked=[UntrackedView.model_validate(each) for each in tracked.untracked],
            line=_said(outcome),
        )


def audience_view(estimate: Estimate) -> AudienceView:
    """Return what staff see of an estimate."""
    return AudienceView(
        matched=estimate.matched,
        skipped=estimate.skipped,
        recipients=estimate.recipients,
        friends=estimate.friends,
    )


def quota_view(quota: QuotaLeft, recipients: int) -> QuotaView:
    """Return what staff see of the quota, for so many recipients."""
    lacks = quota.lacks(recipients)
    return QuotaView(known=quota.known, limit=quota.limit, used=quota.used, left=quota.left, lacks=lacks)


def pointer_of(place: str | None) -> str:
    """Turn LINE's `messages[0].text` into a JSON pointer."""
    return "".join(f"/{step}" for step in _STEP.findall(place or "messages"))


def _said(outcome: Outcome) -> Literal["accepted", "no_answer"]:
    return "accepted" if isinstance(outcome, Accepted) else "no_answer"


def _refused(outcome: Rejected) -> Problem:
    errors = [
        {"pointer": pointer_of(detail.property), "detail": f"LINE: {detail.message or outcome.message}"}
        for detail in outcome.details
    ]
    return Problem("invalid", errors=errors or [{"pointer": "/messages", "detail": f"LINE: {outcome.message}"}])
