"""Tickets brought back from a backup."""

from __future__ import annotations

from services.ticketing.tickets.store import COLLECTION
from shared.mongo import Database

GAP = 1_000_000
"""More changes than a ticket sees in its life."""


async def leave_a_gap(database: Database) -> int:
    """Let versions go on far above those of the backup, and return how many tickets there are.

    Facts and notices to customers are named by a ticket's version. What staff did since the backup was told and sent
    under the next ones: used again, they would pass for repeats, and be dropped.
    """
    result = await database[COLLECTION].update_many({}, {"$inc": {"version": GAP}})
    return int(result.matched_count)
