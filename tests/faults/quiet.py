"""Whether everything that was set off has come to its end: asked, never slept for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import aiokafka.errors
import httpx
from pymongo.errors import PyMongoError

from deploy.local.errors import StackError
from deploy.local.lag import consumer_lag
from musubi.demo.quiet import OUTBOXES
from shared.flows import CONSUMES
from shared.testing.spine import Spine
from tests.faults.observer import Observer

QUIET_SECONDS = 180.0
LOOK_SECONDS = 0.3
_AWAY = (aiokafka.errors.KafkaError, OSError, httpx.HTTPError, PyMongoError, StackError, TimeoutError)


class NeverQuiet(AssertionError):
    """Something still moves after the time it was given; the text says what."""


async def until_quiet(
    spine: Spine, observer: Observer, seconds: float = QUIET_SECONDS, resting: Collection[str] = ()
) -> float:
    """Return at which moment (`time.monotonic`) all was found at rest, twice in a row.

    The processes of `resting` services need not be ready.

    Raises:
        NeverQuiet: it was not in time.
    """
    deadline = time.monotonic() + seconds
    seen: tuple[int, ...] | None = None
    since = 0.0
    while True:
        reason, look = await _look(spine, observer, resting)
        if reason is None and look == seen:
            return since
        seen, since = (look, time.monotonic()) if reason is None else (None, 0.0)
        if time.monotonic() > deadline:
            raise NeverQuiet(f"not quiet after {seconds:.0f} s: {reason or 'it keeps moving'}")
        await asyncio.sleep(LOOK_SECONDS)


async def _look(spine: Spine, observer: Observer, resting: Collection[str]) -> tuple[str | None, tuple[int, ...]]:
    """Return what still moves, and what would differ if anything did between two looks."""
    try:
        return await _ask(spine, observer, resting)
    except _AWAY as error:
        return f"{error.__class__.__name__} while asking", ()


async def _ask(spine: Spine, observer: Observer, resting: Collection[str]) -> tuple[str | None, tuple[int, ...]]:
    for service, replicas in spine.facts["replicas"].items():
        for replica in range(0 if service in resting else len(replicas)):
            if not await spine.is_ready(service, replica):
                return f"{service}-{replica + 1} is not ready", ()
    if pending := (await spine.ask("/deliveries"))["pending"]:
        return f"{pending} webhooks under way", ()
    lags = await asyncio.to_thread(consumer_lag, spine.facts["kafka"], tuple(CONSUMES))
    if behind := {lag.group: lag.records for lag in lags if lag.records}:
        return f"records behind: {behind}", ()
    for service, names in OUTBOXES.items():
        for name in names:
            waiting = {"pending_since": {"$exists": True}}
            if count := await observer.collection(service, name).count_documents(waiting):
                return f"{count} {name} with something to send", ()
    return None, ((await spine.ask("/accepts", since=0, limit=1))["last_seq"], sum(lag.partitions for lag in lags))
