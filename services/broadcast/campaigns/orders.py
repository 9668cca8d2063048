"""Campaigns as the sender sees them: what may be sent now, what it says, and why it stops."""

from __future__ import annotations

from collections.abc import Sequence

from services.broadcast.campaigns.life import CampaignLife
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.model import PauseReason
from services.broadcast.sending.orders import Content, Order

PRIORITY = 10
"""Notices pass before campaigns (design §7)."""


class CampaignOrders:
    """Implements `services.broadcast.sending.orders.Orders`."""

    def __init__(self, life: CampaignLife, chunks: Chunks) -> None:
        self._life = life
        self._chunks = chunks

    async def running(self) -> Sequence[Order]:
        """Return the campaigns that may be sent now."""
        return [Order(*each, PRIORITY) for each in await self._life.store.running()]

    async def content(self, campaign: str) -> Content:
        """Return what a campaign sends.

        Raises:
            LookupError: it has not been started.
        """
        found = await self._life.store.get(campaign)
        if found is None or not found.content:
            raise LookupError(f"campaign {campaign} has not been started")
        return Content(found.content, found.unit, found.notification_disabled)

    async def pause(self, campaign: str, reason: PauseReason) -> None:
        """Pause a campaign; nothing where it does not run any more."""
        await self._life.pause(campaign, reason)

    async def finish(self, campaign: str) -> None:
        """Note that no chunk is left, where that is so."""
        if not await self._chunks.unended(campaign):
            await self._life.finish(campaign)
