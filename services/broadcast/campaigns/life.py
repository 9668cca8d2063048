"""The one way in which campaigns change: read, decide, write by compare-and-set with what follows, dispatch."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime

from services.broadcast.campaigns.model import (
    OPEN,
    PAUSABLE,
    SYSTEM,
    Campaign,
    NotAllowed,
    PausedReason,
    move,
    resumed_state,
    state_changed,
)
from services.broadcast.campaigns.store import CampaignStore, Conflict
from services.broadcast.segments.model import whole_millis
from shared import topics
from shared.clock import Now
from shared.consumer import WorldDown
from shared.events import CampaignFact
from shared.mongo import Document
from shared.outbox import Outbox, publication
from shared.producer import BrokerUnavailable

logger = logging.getLogger(__name__)

ATTEMPTS = 50
WITHDRAW = "withdraw_chunks"
"""What the outbox is to do where a campaign was cancelled: chunks that have not begun are cancelled too."""

Decide = Callable[[Campaign], Sequence[Document] | None]
"""Changes the given campaign in place and returns its outbox items, None where there is nothing to write.

It may run several times, each time on a fresh read; what it raises ends the change, nothing written.
"""


def told(fact: CampaignFact) -> Document:
    """Return the item that publishes a fact about a campaign."""
    return publication(topics.CAMPAIGN_EVENTS, fact.campaign, fact, fact.id)


class CampaignLife:
    """Makes and changes campaigns."""

    def __init__(self, store: CampaignStore, outbox: Outbox, now: Now) -> None:
        self.store = store
        self._outbox = outbox
        self._now = now

    def now(self) -> datetime:
        """Return the present moment as the store keeps it."""
        return whole_millis(self._now())

    async def create(self, campaign: Campaign) -> Campaign:
        """Write a new draft; where its id is there already, return the one that is stored.

        Raises:
            UnitTaken: another campaign of the account has its unit.
        """
        items = [told(state_changed(campaign, None, by=campaign.created_by, at=campaign.created_at))]
        if await self.store.insert(campaign, items, self.now()):
            await self._dispatch(campaign.id, items)
            return campaign
        stored = await self.store.get(campaign.id)
        if stored is None:
            raise AssertionError("campaigns are never deleted")
        return stored

    async def change(self, campaign_id: str, decide: Decide) -> Campaign | None:
        """Change a campaign; None where there is none.

        Raises:
            UnitTaken: see the store; and whatever `decide` raises.
        """
        for attempt in range(ATTEMPTS):
            campaign = await self.store.get(campaign_id)
            if campaign is None:
                return None
            alone = campaign.waiting == 0
            items = decide(campaign)
            if items is None:
                return campaign
            campaign.updated_at = self.now()
            try:
                await self.store.save(campaign, items, self.now())
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.005 * (attempt + 1)))  # noqa: S311
                continue
            if items:
                await self._dispatch(campaign.id, items if alone else None)
            return campaign
        raise WorldDown(f"the campaign kept changing during {ATTEMPTS} attempts")

    async def pause(self, campaign_id: str, reason: PausedReason, by: str = SYSTEM) -> Campaign | None:
        """Pause a campaign that is being frozen or sent; a paused one stays as it is.

        Raises:
            NotAllowed: a person asks for it in another state; the system's wish changes nothing there.
        """

        def decide(campaign: Campaign) -> Sequence[Document] | None:
            if campaign.state == "paused" or (by == SYSTEM and campaign.state not in PAUSABLE):
                return None
            if campaign.state not in PAUSABLE:
                raise NotAllowed(f"only what is being sent can be paused; this campaign is {campaign.state}")
            return [told(move(campaign, "paused", by=by, at=self.now(), reason=reason))]

        return await self.change(campaign_id, decide)

    async def resume(self, campaign_id: str, by: str) -> Campaign | None:
        """Let a paused campaign go on where it was; one that goes on already stays as it is.

        Raises:
            NotAllowed: it is not paused.
        """

        def decide(campaign: Campaign) -> Sequence[Document] | None:
            if campaign.state in PAUSABLE:
                return None
            if campaign.state != "paused":
                raise NotAllowed(f"only a paused campaign can be resumed; this one is {campaign.state}")
            return [told(move(campaign, resumed_state(campaign), by=by, at=self.now()))]

        return await self.change(campaign_id, decide)

    async def cancel(self, campaign_id: str, by: str) -> Campaign | None:
        """End a campaign for good: what has not begun to be sent never is. A cancelled one stays as it is.

        Raises:
            NotAllowed: it is finished.
        """

        def decide(campaign: Campaign) -> Sequence[Document] | None:
            if campaign.state == "cancelled":
                return None
            if campaign.state not in OPEN:
                raise NotAllowed(f"a campaign that is {campaign.state} cannot be cancelled")
            begun = campaign.started_at is not None
            items = [told(move(campaign, "cancelled", by=by, at=self.now()))]
            return [*items, {"id": f"{campaign.id}.withdraw", "do": WITHDRAW}] if begun else items

        return await self.change(campaign_id, decide)

    async def finish(self, campaign_id: str) -> Campaign | None:
        """Note that everything has been sent; nothing where the campaign does not run."""

        def decide(campaign: Campaign) -> Sequence[Document] | None:
            if campaign.state != "running":
                return None
            return [told(move(campaign, "finished", by=SYSTEM, at=self.now()))]

        return await self.change(campaign_id, decide)

    async def _dispatch(self, campaign_id: str, items: Sequence[Document] | None) -> None:
        try:
            await self._outbox.dispatch(campaign_id, items)
        except BrokerUnavailable:
            logger.warning("a campaign's facts wait for the broker", extra={"campaign": campaign_id})
