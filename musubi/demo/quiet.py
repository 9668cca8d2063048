"""Whether everything that was set off has come to its end: asked, never slept for."""

from __future__ import annotations

import asyncio
from typing import Any

import aiokafka.errors

from deploy.local.lag import consumer_lag
from musubi.demo.line_side import LineSide
from musubi.demo.stack_file import StackFile
from shared.flows import CONSUMES
from shared.mongo import Client

CONSUMERS = tuple(CONSUMES)
OUTBOXES = {
    "binding": ("members",),
    "ticketing": ("conversations", "tickets"),
    "broadcast": ("campaigns", "chunks"),
}
"""By service: collections whose documents carry an outbox; `pending_since` stands on one that is not empty."""


class Quiet:
    """Asks along the way an event takes: webhooks, consumers, outbox, consumers of what it published, LINE."""

    AGAIN = "a second look"

    def __init__(self, line: LineSide, stack: StackFile, mongo: Client) -> None:
        self._line = line
        self._stack = stack
        self._mongo: Any = mongo
        self._seen: tuple[int, ...] | None = None

    async def restless(self) -> str | None:
        """Return what still moves; None once nothing did, twice in a row."""
        reason, seen = await self._ask()
        still = reason is None and seen == self._seen
        self._seen = seen if reason is None else None
        return None if still else reason or self.AGAIN

    async def _ask(self) -> tuple[str | None, tuple[int, ...]]:
        webhooks = await self._line.webhooks()
        seen = (webhooks["sent"], await self._line.look())
        if webhooks["pending"]:
            return f"{webhooks['pending']} webhooks under way", seen
        if behind := await self._behind():
            return behind, seen
        return await self._unsent(), seen

    async def _unsent(self) -> str | None:
        """Return which outboxes are not empty."""
        waiting = {}
        for service, database in self._stack.facts["databases"].items():
            for name in OUTBOXES.get(service, ()):
                waiting[name] = await self._mongo[database][name].count_documents({"pending_since": {"$exists": True}})
        return ", ".join(f"{count} {name} with something to send" for name, count in waiting.items() if count) or None

    async def _behind(self) -> str | None:
        try:
            lags = await asyncio.to_thread(consumer_lag, self._stack.facts["kafka"], CONSUMERS)
        except (aiokafka.errors.KafkaError, OSError) as error:
            return f"Kafka does not tell the lag ({error.__class__.__name__})"
        behind = {group: sum(lag.records for lag in lags if lag.group == group) for group in CONSUMERS}
        words = [f"{group} {records} records behind" for group, records in behind.items() if records]
        return ", ".join(words) or None
