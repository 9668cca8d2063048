"""The loop that flags targets as they pass unmet: it looks only at tickets that are due, by an index."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from services.ticketing.clocks.model import Desk
from services.ticketing.tickets.changes import TicketChanges
from services.ticketing.tickets.model import Ticket
from shared.clock import Now
from shared.events import DeskFact
from shared.mongo import Database, is_unavailable
from shared.schedule import Lease, repeating_leased

logger = logging.getLogger(__name__)

NAME = "tickets.breaches"
AT_ONCE = 200
BATCHES = 20
"""How many batches one round takes at most: after an outage many are due."""


def _as_it_is(_: Ticket, __: Desk, ___: datetime) -> Sequence[DeskFact]:
    """Every change flags what is missed; here nothing else changes."""
    return []


async def flag_overdue(changes: TicketChanges, now: Now) -> int:
    """Flag what has passed unmet by now; return how many tickets were due.

    A ticket that was due by hours which have changed since gets its new due time.
    """
    due = await changes.store.overdue(now(), AT_ONCE)
    for ticket_id in due:
        try:
            await changes.change(ticket_id, _as_it_is)
            await changes.dispatch(ticket_id)
        except Exception as error:
            if is_unavailable(error):
                raise
            logger.exception("a due ticket cannot be looked at", extra={"ticket": ticket_id})
    return len(due)


@contextlib.asynccontextmanager
async def flagging(changes: TicketChanges, database: Database, now: Now, every: float = 5.0) -> AsyncIterator[None]:
    """Flag in the background, one process of the service at a time."""

    async def step() -> None:
        for _ in range(BATCHES):
            if await flag_overdue(changes, now) < AT_ONCE:
                return

    async with repeating_leased(Lease(database, NAME, seconds=60, now=now), NAME, every, step):
        yield
