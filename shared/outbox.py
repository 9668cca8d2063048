"""What an effect must publish or send waits on the document it belongs to, put there by the same write (design §5).

Publications leave in their order, and do not wait for what goes to LINE, which leaves in its own order. An item is a
plain object on the document's `pending` list:

    {"id": deterministic, "do": "publish", "topic", "key", "value", "event_id"?}
    {"id": deterministic, "do": any other name, …}                     sent by the service's own `Courier`

Dispatch follows the write at once; `relay` repeats what a crash left. An item is pulled only after its acceptance, so
it may leave twice: its id lets the other side drop the second (Kafka consumers by event id or version, LINE by retry
key).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared import producer
from shared.clock import Now, utcnow
from shared.consumer.records import EVENT_ID
from shared.events import Event, Fact, MessageSent, encode
from shared.mongo import ASCENDING, Collection, Database, Document, Index, is_unavailable
from shared.schedule import Lease, repeating_leased

logger = logging.getLogger(__name__)

PUBLISH = "publish"
SEND_SECONDS = 10.0

Courier = Callable[[str, Document], Awaitable[bool]]
"""Delivers one item that is not a publication: takes the document's id and the item. True once it left the list (or
became another item), so that dispatch goes on; False where it must wait for the relay."""


def publication(topic: str, key: str, event: Event, item_id: str) -> Document:
    """Return the item that publishes an event. Facts carry their id as a header, for the consumers' claims."""
    item: Document = {"id": item_id, "do": PUBLISH, "topic": topic, "key": key, "value": encode(event).decode()}
    if isinstance(event, Fact | MessageSent):
        item["event_id"] = event.id
    return item


def tombstone(topic: str, key: str, item_id: str) -> Document:
    """Return the item that deletes a key of a compacted topic."""
    return {"id": item_id, "do": PUBLISH, "topic": topic, "key": key, "value": None}


def _letter(item: Document) -> producer.Record:
    value = item["value"]
    headers = ((EVENT_ID, item["event_id"].encode()),) if "event_id" in item else ()
    return producer.Record(item["topic"], item["key"].encode(), None if value is None else value.encode(), headers)


def outbox_indexes(collection: str) -> Sequence[Index]:
    """Return the index by which the relay finds what is left over."""
    return (Index(collection, [("pending_since", ASCENDING)], sparse=True),)


class Outbox:
    """Dispatches the pending items of one collection's documents."""

    def __init__(
        self,
        collection: Collection,
        sender: producer.Producer,
        courier: Courier | None,
        registry: CollectorRegistry,
        now: Now = utcnow,
    ) -> None:
        self._documents = collection
        self._sender = sender
        self._courier = courier
        self._now = now
        self._left = Counter("outbox_items", "Items that left the outbox, by kind.", ["do"], registry=registry)
        self._relayed = Counter(
            "outbox_relayed_documents", "Documents whose left-over items the relay took up.", registry=registry
        )
        self._oldest = Gauge(
            "outbox_oldest_timestamp_seconds", "Since when the oldest item waits; 0 where none.", registry=registry
        )

    async def dispatch(self, document_id: str, pending: Sequence[Document] | None = None) -> None:
        """Send everything that is pending on a document, in order, as far as the world lets it.

        Args:
            document_id: the document.
            pending: its whole pending list where the caller has just written it; read from the store otherwise.

        Raises:
            BrokerUnavailable, PyMongoError: what is left stays pending for the relay.
        """
        items = list(await self._pending(document_id) if pending is None else pending)
        while items:
            publications = [item for item in items if item["do"] == PUBLISH]
            if publications:
                await self._publish(document_id, publications, everything=len(publications) == len(items))
                if len(publications) == len(items):
                    return
            elif not await self._deliver(document_id, items[0]):
                return
            items = list(await self._pending(document_id))
        await self._settle(document_id)

    async def _pending(self, document_id: str) -> Sequence[Document]:
        document = await self._documents.find_one({"_id": document_id}, {"pending": 1})
        items: Sequence[Document] = (document or {}).get("pending", [])
        return items

    async def _publish(self, document_id: str, items: Sequence[Document], *, everything: bool) -> None:
        """Publish items and take them off.

        Items are added only at the end: where these were the whole list and a list of this length still starts and
        ends with them, it is the same list and can be emptied with one write.
        """
        await self._sender.send_all([_letter(item) for item in items], timeout=SEND_SECONDS)
        self._left.labels(PUBLISH).inc(len(items))
        if everything:
            last = len(items) - 1
            same = {
                "_id": document_id,
                "pending": {"$size": len(items)},
                "pending.0.id": items[0]["id"],
                f"pending.{last}.id": items[last]["id"],
            }
            empty = {"$set": {"pending": []}, "$unset": {"pending_since": ""}}
            if (await self._documents.update_one(same, empty)).matched_count:
                return
        await self.remove(document_id, [item["id"] for item in items])
        await self._settle(document_id)

    async def _deliver(self, document_id: str, item: Document) -> bool:
        if self._courier is None:
            raise LookupError(f"nobody delivers items of the kind {item['do']!r}")
        gone = await self._courier(document_id, item)
        if gone:
            self._left.labels(item["do"]).inc()
        return gone

    async def remove(self, document_id: str, item_ids: Sequence[str]) -> None:
        """Take accepted items off a document."""
        await self._documents.update_one({"_id": document_id}, {"$pull": {"pending": {"id": {"$in": list(item_ids)}}}})

    async def replace(self, document_id: str, item_id: str, successor: Document) -> bool:
        """Turn an item into another in its place; False where it has left the list already."""
        where = {"_id": document_id, "pending.id": item_id}
        change = {"$set": {"pending.$[item]": successor}}
        result = await self._documents.update_one(where, change, array_filters=[{"item.id": item_id}])
        return bool(result.matched_count)

    async def _settle(self, document_id: str) -> None:
        await self._documents.update_one({"_id": document_id, "pending": []}, {"$unset": {"pending_since": ""}})

    async def relay_once(self, older_than: timedelta, limit: int = 200) -> int:
        """Dispatch documents whose items have waited for longer than the given time; return how many were taken up."""
        due = self._documents.find({"pending_since": {"$lt": self._now() - older_than}}, {"_id": 1, "pending_since": 1})
        taken = 0
        oldest: datetime | None = None
        async for document in due.sort("pending_since", ASCENDING).limit(limit):
            oldest = oldest or document["pending_since"]
            taken += 1
            self._relayed.inc()
            await self._relay(document["_id"])
        self._oldest.set(oldest.timestamp() if oldest else 0)
        return taken

    async def _relay(self, document_id: str) -> None:
        """Take up one document; trouble with it must not keep the others waiting, unless the world is down."""
        await self._documents.update_one(
            {"_id": document_id, "pending_since": {"$exists": True}}, {"$set": {"pending_since": self._now()}}
        )
        try:
            await self.dispatch(document_id)
        except Exception as error:
            if is_unavailable(error) or isinstance(error, producer.BrokerUnavailable):
                raise
            logger.exception("an outbox item cannot leave")

    @contextlib.asynccontextmanager
    async def relaying(self, database: Database, every: float = 1.0, older_than: float = 5.0) -> AsyncIterator[None]:
        """Relay in the background, one process of the service at a time."""

        async def step() -> None:
            await self.relay_once(timedelta(seconds=older_than))

        lease = Lease(database, f"outbox.{self._documents.name}", seconds=max(10.0, every * 3), now=self._now)
        async with repeating_leased(lease, f"outbox of {self._documents.name}", every, step):
            yield
