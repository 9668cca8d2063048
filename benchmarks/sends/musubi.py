"""Broadcast's own sender with its ledger in the store and its facts in Kafka, logging as a service does."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks.cores import own_peak_mb
from benchmarks.measure import CannotRun
from benchmarks.sends.place import Place
from benchmarks.sends.wired import Running, sending
from services.broadcast.sending.calls import SendingOptions
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.documents import CHUNKS
from shared.logs import configure_logging
from shared.mongo import Database
from shared.testing.waiting import eventually

WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Round:
    """What a round is told.

    Args:
        campaigns: frozen; the first is for warming, the others are sent at once.
        recipients: of all but the first.
        per_second, in_flight: None for the service's own.
    """

    place: Place
    campaigns: Sequence[str]
    recipients: int
    per_second: float | None = None
    in_flight: int | None = None

    @property
    def options(self) -> SendingOptions:
        """How to send."""
        told = {"per_second": self.per_second, "in_flight": self.in_flight}
        return SendingOptions(**{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]


async def send(task: Round) -> dict[str, Any]:
    """Send campaigns to their end; returns a round's sample, its items recipients."""
    running, measured = Running(), task.campaigns[1:]
    async with sending(task.place, running, task.options) as database:
        await _sent(running, database, task.campaigns[:1])
        started, cpu = time.perf_counter(), time.process_time()
        await _sent(running, database, measured)
        took, used = time.perf_counter() - started, time.process_time() - cpu
        notes = {"rss_mb": own_peak_mb()}
        notes["chunks"] = await _all_accepted(database, measured)
    return {"items": task.recipients, "seconds": took, "cpu_seconds": used, "notes": notes}


async def _sent(running: Running, database: Database, campaigns: Sequence[str]) -> None:
    """Send campaigns, until every chunk has ended and is told."""
    running.begin(campaigns)
    await asyncio.wait_for(running.finished.wait(), WAIT_SECONDS)

    async def told() -> bool:
        return await database[CHUNKS].find_one({"pending_since": {"$exists": True}}, {"_id": 1}) is None

    await eventually(told, WAIT_SECONDS)


async def _all_accepted(database: Database, campaigns: Sequence[str]) -> int:
    tallies = [await Chunks(database).counts(campaign) for campaign in campaigns]
    if any(set(tally.chunks) != {"accepted"} for tally in tallies):
        raise CannotRun(f"not all chunks were accepted: {[dict(tally.chunks) for tally in tallies]}")
    return sum(tally.chunks["accepted"] for tally in tallies)


if __name__ == "__main__":
    configure_logging("broadcast", "INFO")
    told = json.loads(sys.argv[1])
    result = uvloop.run(send(Round(**{**told, "place": Place(**told["place"])})))
    sys.stdout.write(json.dumps(result) + "\n")
