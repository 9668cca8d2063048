"""Linking a contact's rich menu at LINE, idempotent, until LINE takes it or says that it never will."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Counter

from services.binding.members.store import MemberStore
from services.binding.menus.model import menu_of
from shared.channels import Channels
from shared.ids import split_contact
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Rejected
from shared.mongo import Document
from shared.outbox import Outbox

logger = logging.getLogger(__name__)


class MenuCourier:
    """Delivers menu items."""

    def __init__(
        self,
        store: MemberStore,
        outbox: Outbox,
        line: LineClient,
        channels: Channels,
        registry: CollectorRegistry,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._line = line
        self._channels = channels
        self._count = Counter("menu_links", "Rich menu calls by result.", ["result"], registry=registry)

    async def deliver(self, member_id: str, item: Document) -> bool:
        """Give the contact the menu of the member's state now; False where LINE must be asked again later."""
        channel, user_id = split_contact(item["contact"])
        member = await self._store.get(member_id)
        if member is None or self._channels.get(channel) is None:
            await self._outbox.remove(member_id, [item["id"]])
            return True
        menu = menu_of(self._channels[channel], bound=member.bound)
        if menu is None:
            outcome = await self._line.menus.unlink(channel, user_id)
        else:
            outcome = await self._line.menus.link(channel, user_id, menu)
        match outcome:
            case Accepted():
                self._count.labels("linked" if menu else "unlinked").inc()
            case Rejected(status=status):
                self._count.labels("rejected").inc()
                logger.error("LINE refused a rich menu", extra={"channel": channel, "status": status})
            case _:
                self._count.labels("later").inc()
                return False
        await self._outbox.remove(member_id, [item["id"]])
        return True
