"""What both ways of consuming share: a partition's intake, its guards, its drain (design §5)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from shared.consumer.attempts import Attempts, HandedBack
from shared.consumer.claims import Claims
from shared.consumer.metrics import ConsumerMetrics
from shared.consumer.progress import Progress
from shared.consumer.records import Record

logger = logging.getLogger(__name__)

Erased = Callable[[Record], bool]
"""Says whether a record concerns someone erased after it was written."""


class Guards:
    """Drops what must have no effect: repeats of a claimed event, and what concerns erased people."""

    def __init__(
        self, claims: Claims | None, erased: Erased | None, attempts: Attempts, metrics: ConsumerMetrics
    ) -> None:
        self._claims = claims
        self._erased = erased
        self._attempts = attempts
        self._metrics = metrics

    async def pass_on(self, records: Sequence[Record], leaving: asyncio.Event) -> tuple[list[Record], list[Record]]:
        """Split a batch of one partition into records to handle and records to finish unhandled.

        Raises:
            HandedBack: the store is away and the partition is handed back.
        """
        dropped: set[int] = set()
        if self._erased is not None:
            dropped = {position for position, record in enumerate(records) if self._erased(record)}
            self._count(records, dropped, "erased")
        if self._claims is not None:
            candidates = [position for position in range(len(records)) if position not in dropped]
            repeats = await self._repeats([records[position] for position in candidates], leaving)
            doubles = {candidates[index] for index in repeats}
            self._count(records, doubles, "duplicate")
            dropped |= doubles
        kept = [record for position, record in enumerate(records) if position not in dropped]
        return kept, [records[position] for position in sorted(dropped)]

    async def _repeats(self, records: Sequence[Record], leaving: asyncio.Event) -> set[int]:
        repeats: set[int] = set()
        claims = self._claims
        if claims is None:
            return repeats

        async def claim() -> None:
            repeats.update(await claims.claim(records))

        await self._attempts.persist(claim, leaving)
        return repeats

    def _count(self, records: Sequence[Record], positions: set[int], outcome: str) -> None:
        for position in positions:
            self._metrics.records.labels(records[position].topic, outcome).inc()


class Partition(ABC):
    """One assigned partition: takes records without blocking, works on them in tasks, drains when it is handed back."""

    def __init__(self, guards: Guards, attempts: Attempts) -> None:
        self.progress = Progress()
        self._guards = guards
        self._attempts = attempts
        self._waiting: list[Record] = []
        self._wake = asyncio.Event()
        self._leaving = asyncio.Event()
        self.failure: str | None = None
        """The error that ended a task of this partition, which nothing should be able to do."""
        self._intake = self._task(self._until_handed_back())

    @property
    def _stopping(self) -> bool:
        return self._leaving.is_set()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_failure)
        return task

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error.__class__.__name__
            logger.error("a partition's work ended", exc_info=error)

    def offer(self, records: Sequence[Record]) -> None:
        """Take records of this partition, in order; after `stop` they are left for the next owner."""
        if self._stopping:
            return
        self._waiting += [record for record in records if self.progress.take(record)]
        if self._waiting:
            self._wake.set()

    def stop(self) -> None:
        """Start nothing more."""
        self._leaving.set()
        self._wake.set()

    async def drain(self) -> None:
        """Wait for what is in work, after `stop`."""
        await asyncio.gather(self._intake, return_exceptions=True)
        await self._drain()

    async def cancel(self) -> None:
        """Give up what is in work: its records stay unfinished and come again."""
        self._intake.cancel()
        await asyncio.gather(self._intake, return_exceptions=True)
        await self._cancel()

    async def _until_handed_back(self) -> None:
        with contextlib.suppress(HandedBack):
            await self._take_in()

    async def _take_in(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._stopping:
                return
            while self._waiting and not self._stopping:
                batch, self._waiting = self._waiting[: self.batch_limit], self._waiting[self.batch_limit :]
                kept, dropped = await self._guards.pass_on(batch, self._leaving)
                for record in dropped:
                    self.progress.finish(record.at.offset)
                if not self._stopping:
                    await self._handle(kept)

    @property
    @abstractmethod
    def batch_limit(self) -> int:
        """How many records are guarded and handed on at a time."""

    @abstractmethod
    async def _handle(self, records: list[Record]) -> None:
        """Hand guarded records on; may return before they are finished."""

    @abstractmethod
    async def _drain(self) -> None:
        """Wait for work handed on."""

    @abstractmethod
    async def _cancel(self) -> None:
        """Cancel work handed on."""

    @property
    @abstractmethod
    def keys_waiting(self) -> int:
        """Keys with records waiting or in work."""
