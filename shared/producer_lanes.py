"""Batching for the producer: one lane a partition, one batch of a lane on its way at a time (see `shared.producer`).

aiokafka's own `send` makes a future, a partition lookup and a size estimate for every record, about five times the
cost of appending to a batch; and a caller that sends ten records wants one answer, not ten.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """What is sent: `value` None is a tombstone; a record has a key or a value; header values are bytes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class BrokerUnavailable(Exception):
    """The records are not known to be stored. They may be, now or later: whoever sends again must be idempotent."""


class Builder(Protocol):
    """A batch under construction (aiokafka's `BatchBuilder`)."""

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> object | None:
        """Add a record; None when the batch is full."""

    def close(self) -> None:
        """Take no more records."""


class Client(Protocol):
    """What a lane needs of aiokafka's producer."""

    def create_batch(self) -> Builder:
        """Return an empty batch."""

    async def send_batch(self, batch: Builder, topic: str, *, partition: int) -> Awaitable[object]:
        """Hand a batch over; what it returns resolves when the broker acknowledged it."""


class Delivery:
    """One caller's wait for all of its records."""

    __slots__ = ("_waiting", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()
        self._waiting = 0

    def joins(self, batch: Batch) -> None:
        """Wait for this batch too, counted once however many of the caller's records it holds."""
        if not batch.deliveries or batch.deliveries[-1] is not self:
            batch.deliveries.append(self)
            self._waiting += 1

    def settle(self, error: BrokerUnavailable | None) -> None:
        """Note that one of its batches was acknowledged or failed."""
        self._waiting -= 1
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        elif self._waiting == 0:
            self.future.set_result(None)

    def expire(self) -> None:
        """Give up waiting; the records stay on their way."""
        if not self.future.done():
            self.future.set_exception(BrokerUnavailable("not acknowledged in time"))


class Batch:
    """Records of one partition that travel together."""

    __slots__ = ("builder", "bytes", "deliveries", "records", "since")

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.deliveries: list[Delivery] = []
        self.records = 0
        self.bytes = 0
        self.since = time.monotonic()

    def append(self, record: Record, size: int) -> bool:
        """Add a record; False when the batch is full."""
        headers = list(record.headers)
        if self.builder.append(timestamp=None, key=record.key, value=record.value, headers=headers) is None:
            return False
        self.records += 1
        self.bytes += size
        return True

    def settle(self, error: BrokerUnavailable | None) -> None:
        """Tell everyone who has a record in it."""
        for delivery in self.deliveries:
            delivery.settle(error)


class Lane:
    """The batches of one partition, in order; the newest is open until its turn comes.

    `settled` is called for each batch with its error or None; after an error the lane sends nothing more, because an
    idempotent producer's sequence has a gap then.
    """

    def __init__(
        self, client: Client, topic: str, partition: int, settled: Callable[[Batch, Exception | None], None]
    ) -> None:
        self._client = client
        self._topic = topic
        self._partition = partition
        self._settled = settled
        self._queue: deque[Batch] = deque()
        self._sending: Batch | None = None
        self.records = 0
        """Queued or sent, not acknowledged."""
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"lane {topic}-{partition}")

    def add(self, record: Record, size: int, delivery: Delivery) -> None:
        """Queue a record."""
        if not self._queue or not self._queue[-1].append(record, size):
            self._queue.append(Batch(self._client.create_batch()))
            self._queue[-1].append(record, size)
            self._wake.set()
        self.records += 1
        delivery.joins(self._queue[-1])

    @property
    def oldest(self) -> float | None:
        """Monotonic time since when its oldest unacknowledged batch waits."""
        if self._sending is not None:
            return self._sending.since
        return self._queue[0].since if self._queue else None

    def abandon(self) -> list[Batch]:
        """Stop sending; return the batches that were not acknowledged."""
        self._task.cancel()
        left = [self._sending, *self._queue] if self._sending is not None else [*self._queue]
        self._sending = None
        self._queue.clear()
        self.records = 0
        return left

    async def _run(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            self._sending = batch = self._queue.popleft()
            batch.builder.close()
            error: Exception | None = None
            try:
                await (await self._client.send_batch(batch.builder, self._topic, partition=self._partition))
            except Exception as raised:  # noqa: BLE001 - whatever it is, the batch is not known to be stored
                error = raised
            self._sending = None
            self.records -= batch.records
            self._settled(batch, error)
            if error is not None:
                return
