"""Musubi's consumer with a slow handler: in order within a key, concurrent across keys. Fails where order is lost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from benchmarks.consumers.shell import consuming
from benchmarks.consumers.slow_handler import handle
from benchmarks.consumers.tally import Tally, Task, run
from shared.consumer import Record


class _Numbered(msgspec.Struct):
    n: int


class _Envelope(msgspec.Struct):
    event: _Numbered


_decode = msgspec.json.Decoder(_Envelope).decode


class OrderLost(Exception):
    """A key's records were handled in another order than they were written."""


class Order:
    """The last number handled of each key."""

    def __init__(self) -> None:
        self._last: dict[bytes | None, int] = {}

    def note(self, record: Record) -> None:
        """Note a record that is handled now.

        Raises:
            OrderLost: a later one of its key was handled before.
        """
        number = _decode(record.value or b"").event.n
        if number <= self._last.get(record.key, -1):
            raise OrderLost(f"record {number} after {self._last[record.key]}")
        self._last[record.key] = number


async def consume(task: Task, tally: Tally) -> None:
    """Consume until the tally is done.

    Raises:
        OrderLost: see there.
    """
    order = Order()
    lost: list[OrderLost] = []

    async def handler(records: Sequence[Record]) -> None:
        tally.begin()
        for record in records:
            try:
                order.note(record)
            except OrderLost as error:
                lost.append(error)
            await handle()
            tally.add(1)

    async with consuming(task, handler, keyed=True):
        await tally.done.wait()
    if lost:
        raise lost[0]


if __name__ == "__main__":
    run(consume)
