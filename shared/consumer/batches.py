"""Consuming by partition batch: one batch of one partition at a time, folded and written in bulk (design §5)."""

from __future__ import annotations

import asyncio
from itertools import groupby

from shared.consumer.partitions import Partition
from shared.consumer.records import Record

BATCH_LIMIT = 2000


class BatchPartition(Partition):
    """Batches of a partition one after the other; several partitions side by side."""

    @property
    def batch_limit(self) -> int:
        """Records of a batch at most."""
        return BATCH_LIMIT

    @property
    def keys_waiting(self) -> int:
        """Always 0: keys are not told apart."""
        return 0

    async def _handle(self, records: list[Record]) -> None:
        for _, group in groupby(records, key=lambda record: record.topic):
            batch = list(group)
            await self._attempts.settle(batch, self._leaving)
            for record in batch:
                self.progress.finish(record.at.offset)
            await asyncio.sleep(0)

    async def _drain(self) -> None:
        return

    async def _cancel(self) -> None:
        return
