"""Keyed consuming: in order within a key, concurrent across keys, a slow key holds up no other (design §5)."""

from __future__ import annotations

import asyncio
from collections import deque

from shared.consumer.attempts import Attempts, HandedBack
from shared.consumer.partitions import Guards, Partition
from shared.consumer.records import Record

RUN_LIMIT = 100


class KeyedPartition(Partition):
    """A worker a key that has records waiting; a worker takes the waiting run of its key as a list."""

    def __init__(self, guards: Guards, attempts: Attempts, slots: asyncio.Semaphore) -> None:
        self._queues: dict[bytes, deque[Record]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._slots = slots
        super().__init__(guards, attempts)

    @property
    def batch_limit(self) -> int:
        """Records claimed with one insert."""
        return 500

    @property
    def keys_waiting(self) -> int:
        """Keys with records waiting or in work."""
        return len(self._queues)

    async def _handle(self, records: list[Record]) -> None:
        for record in records:
            key = record.key or b""
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = queue = deque()
                worker = self._task(self._work(key, queue))
                self._workers.add(worker)
                worker.add_done_callback(self._workers.discard)
            queue.append(record)

    async def _work(self, key: bytes, queue: deque[Record]) -> None:
        while queue and not self._stopping:
            async with self._slots:
                if self._stopping:
                    return
                run = self._next_run(queue)
                try:
                    await self._attempts.settle(run, self._leaving)
                except HandedBack:
                    return
            for record in run:
                self.progress.finish(record.at.offset)
        del self._queues[key]

    @staticmethod
    def _next_run(queue: deque[Record]) -> list[Record]:
        """Take the waiting records of one original topic: handlers are chosen by topic."""
        topic = queue[0].topic
        run: list[Record] = []
        while queue and queue[0].topic == topic and len(run) < RUN_LIMIT:
            run.append(queue.popleft())
        return run

    async def _drain(self) -> None:
        while self._workers:
            await asyncio.gather(*self._workers, return_exceptions=True)

    async def _cancel(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
