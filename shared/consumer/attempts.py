"""Running a handler until its records are settled: done, dead-lettered, or waiting for the world (design §5)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clock import monotonic, utcnow
from shared.consumer.breaker import Breaker
from shared.consumer.dead_letters import DeadLetters
from shared.consumer.metrics import ConsumerMetrics
from shared.consumer.records import BadRecord, Record, WorldDown
from shared.mongo import is_unavailable
from shared.producer import BrokerUnavailable

logger = logging.getLogger(__name__)

Handler = Callable[[Sequence[Record]], Awaitable[None]]
"""Takes records of one key (keyed) or one partition (batch) in order; its effects must be idempotent.

Raises WorldDown (or a store's or broker's own unavailability), BadRecord, or anything unexpected."""


@dataclass(frozen=True)
class Backoff:
    """Exponential, with full jitter: `base` doubles up to `ceiling` seconds."""

    base: float = 0.1
    ceiling: float = 5.0

    def seconds(self, attempt: int) -> float:
        """How long to wait after the given attempt, counted from 1."""
        return random.uniform(0.5, 1.0) * min(self.ceiling, self.base * 2.0 ** min(attempt - 1, 16))  # noqa: S311


class HandedBack(Exception):
    """The partition is handed back while its records wait for the world: they are left for the next owner."""


def is_world_down(error: BaseException) -> bool:
    """Whether the trouble is not the record's."""
    return isinstance(error, WorldDown | BrokerUnavailable) or is_unavailable(error)


class Attempts:
    """Settles records: returns only when each of them has its effect or is a dead letter.

    `leaving` is set when the partition is handed back: who only waits, for a server or at the open breaker, then
    ends with HandedBack instead of holding up the hand-over; a handler at work is let finish.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        letters: DeadLetters,
        breaker: Breaker,
        metrics: ConsumerMetrics,
        backoff: Backoff = Backoff(),
        limit: int = 5,
    ) -> None:
        self._name = name
        self._handler = handler
        self._letters = letters
        self._breaker = breaker
        self._metrics = metrics
        self._backoff = backoff
        self._limit = limit

    async def persist(self, step: Callable[[], Awaitable[None]], leaving: asyncio.Event) -> None:
        """Run a step that only the world can fail, until it succeeds.

        Raises:
            HandedBack: the partition is handed back first.
        """
        attempt = 0
        while True:
            try:
                return await step()
            except Exception as error:
                if not is_world_down(error):
                    raise
                attempt += 1
                await self._wait_for_world(error, attempt, leaving)

    async def settle(self, records: Sequence[Record], leaving: asyncio.Event) -> None:
        """Hand records to the handler; several that fail together are tried one by one, in order.

        Raises:
            HandedBack: the partition is handed back first; some of the records may have their effects.
        """
        await self._stand_still_where_open(leaving)
        error = await self._run(records, leaving)
        if error is None:
            self._note_handled(records)
        elif len(records) > 1:
            for record in records:
                await self.settle([record], leaving)
        else:
            await self._insist(records[0], error, leaving)

    async def _run(self, records: Sequence[Record], leaving: asyncio.Event) -> Exception | None:
        """Return None when handled, or the error that is the records' own; outlast the world's."""
        attempt = 0
        while True:
            started = monotonic()
            try:
                await self._handler(records)
            except Exception as error:  # noqa: BLE001 - every error is either the world's or the record's
                if not is_world_down(error):
                    self._metrics.retries.labels("record").inc()
                    return error
                attempt += 1
                await self._wait_for_world(error, attempt, leaving)
            else:
                self._metrics.seconds.labels(records[0].topic).observe(monotonic() - started)
                return None

    async def _insist(self, record: Record, error: Exception, leaving: asyncio.Event) -> None:
        first = utcnow()
        attempts = 1
        while not isinstance(error, BadRecord) and attempts < self._limit:
            await asyncio.sleep(self._backoff.seconds(attempts))
            again = await self._run([record], leaving)
            attempts += 1
            if again is None:
                self._note_handled([record])
                return
            error = again
        self._note_bad()
        await self._stand_still_where_open(leaving)
        await self._bury(record, error, attempts, first, leaving)

    def _note_bad(self) -> None:
        self._breaker.note(bad=True)
        if self._breaker.open:
            self._metrics.breaker.set(1)
            logger.error("too many bad records: the consumer is stopped", extra={"consumer": self._name})

    async def _stand_still_where_open(self, leaving: asyncio.Event) -> None:
        if self._breaker.open:
            await leaving.wait()
            raise HandedBack

    async def _bury(
        self, record: Record, error: Exception, attempts: int, first: datetime, leaving: asyncio.Event
    ) -> None:
        logger.error(
            "dead letter",
            exc_info=error,
            extra={"consumer": self._name, "topic": record.at.topic, "partition": record.at.partition}
            | {"offset": record.at.offset, "event_id": record.event_id, "attempts": attempts},
        )
        await self.persist(lambda: self._letters.put(record, error, self._name, attempts, first), leaving)
        self._metrics.records.labels(record.topic, "dead_letter").inc()

    def _note_handled(self, records: Sequence[Record]) -> None:
        self._breaker.note(bad=False, count=len(records))
        self._metrics.records.labels(records[0].topic, "handled").inc(len(records))

    async def _wait_for_world(self, error: Exception, attempt: int, leaving: asyncio.Event) -> None:
        self._metrics.retries.labels("world").inc()
        if attempt == 1 or attempt % 10 == 0:
            logger.warning(
                "waiting for a server",
                extra={"consumer": self._name, "attempt": attempt, "reason": error.__class__.__name__},
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.seconds(attempt)):
                await leaving.wait()
            raise HandedBack
