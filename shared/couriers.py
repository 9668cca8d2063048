"""Who delivers which item of an outbox."""

from __future__ import annotations

from collections.abc import Mapping

from shared.mongo import Document
from shared.outbox import Courier, Outbox


def courier_of(couriers: Mapping[str, Courier]) -> Courier:
    """Return the courier that hands an item to the one for its kind."""

    async def deliver(document_id: str, item: Document) -> bool:
        return await couriers[item["do"]](document_id, item)

    return deliver


def errand(outbox: Outbox, run: Courier) -> Courier:
    """Return a courier for work inside the service: run it, then take the item off. It may run twice."""

    async def deliver(document_id: str, item: Document) -> bool:
        if await run(document_id, item):
            await outbox.remove(document_id, [item["id"]])
            return True
        return False

    return deliver
