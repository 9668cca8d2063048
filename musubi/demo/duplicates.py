"""How many duplicates the consumers swallowed, by their own metrics, over the deaths of processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from musubi.demo.stack_file import StackFile
from shared.flows import CONSUMES

CONSUMERS = tuple(CONSUMES)
COUNTER = "consumer_records"
LOOK_SECONDS = 1.0

Series = tuple[str, str, str, float]
"""Service, address, topic, and when the process began to count: a restarted one is another series."""


class Swallowed:
    """Duplicates by service since `begin`. What a killed process swallowed after the last look at it is not known."""

    def __init__(self, session: aiohttp.ClientSession, stack: StackFile) -> None:
        self._session = session
        self._stack = stack
        self._before: dict[Series, float] = {}
        self._now: dict[Series, float] = {}

    async def begin(self) -> None:
        """Count from now on."""
        await self.look()
        self._before = dict(self._now)

    async def look(self) -> None:
        """Read the metrics of every process that answers."""
        for service in CONSUMERS:
            for address in self._stack.ops(service):
                try:
                    async with self._session.get(f"{address}/metrics") as answer:
                        self._now |= _duplicates(service, address, await answer.text())
                except (aiohttp.ClientError, TimeoutError):
                    continue

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look again and again while the block goes on: any process may be gone at the next look."""

        async def watch() -> None:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def by_service(self) -> dict[str, int]:
        """Return how many duplicates each service has swallowed."""
        found = dict.fromkeys(CONSUMERS, 0)
        for series, value in self._now.items():
            found[series[0]] += round(value - self._before.get(series, 0))
        return found


def _duplicates(service: str, address: str, text: str) -> dict[Series, float]:
    values: dict[str, float] = {}
    created: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        if family.name in {COUNTER, f"{COUNTER}_created"}:
            for sample in family.samples:
                if sample.labels.get("outcome") == "duplicate":
                    kept = created if sample.name.endswith("_created") else values
                    kept[sample.labels["topic"]] = sample.value
    return {(service, address, topic, created.get(topic, 0.0)): value for topic, value in values.items()}
