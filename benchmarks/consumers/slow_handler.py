"""A handler that waits 2.5 ms a record, as for a store: what both ways of D10 do."""

from __future__ import annotations

import asyncio

SECONDS = 0.0025


async def handle() -> None:
    """Wait, as for a store that answers in 2.5 ms."""
    await asyncio.sleep(SECONDS)
