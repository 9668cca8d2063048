"""What an effect must publish or send waits on the document it belongs to, put there by the same write (design §5).

Publications leave in their order, and do not wait for what goes to LINE, which leaves in its own order. An item is a
plain object on the document's `pending` list:

    {"id": deterministic, "do": "publish", "topic", "key", "value", "event_id"?, "version"?}
    {"id": deterministic, "do": any other name, …}                     sent by the service's own `Courier`

Dispatch follows the write at once; `relay` repeats what a crash left. An item is pulled only after its acceptance, so
it may leave twice: its id lets the other side drop the second (Kafka consumers by event id or version, LINE by retry
key).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared import producer
from shared.clock import Now, utcnow
from shared.consumer.records import EVENT_ID
from shared.events import Event, Fact, MemberSnapshot, MessageSent, encode
from shared.mongo import ASCENDING, Collection, Database, Document, Index, ReturnDocument, UpdateOne, is_unavailable
from shared.schedule import Lease, repeating_leased

logger = logging.getLogger(__name__)

PUBLISH = "publish"
VERSION = "version"
"""The header that tells a snapshot's version without reading it."""
SEND_SECONDS = 10.0
RELAY_CONCURRENCY = 32

Courier = Callable[[str, Document], Awaitable[bool]]
"""Delivers one item that is not a publication: takes the document's id and the item. True once it left the list (or
became another item), so that dispatch goes on; False where it must wait for the relay."""


def publication(topic: str, key: str, event: Event, item_id: str) -> Document:
    """Return the item that publishes an event: a fact's header has its id, for the consumers' claims; a snapshot's
    has its version."""
    item: Document = {"id": item_id, "do": PUBLISH, "topic": topic, "key": key, "value": encode(event).decode()}
    if isinstance(event, Fact | MessageSent):
        item["event_id"] = event.id
    if isinstance(event, MemberSnapshot):
        item["version"] = str(event.version)
    return item


def tombstone(topic: str, key: str, item_id: str) -> Document:
    """Return the item that deletes a key of a compacted topic."""
    return {"id": item_id, "do": PUBLISH, "topic": topic, "key": key, "value": None}


def _letter(item: Document) -> producer.Record:
    value = item["value"]
    named = ((EVENT_ID, item.get("event_id")), (VERSION, item.get("version")))
    headers = tuple((name, text.encode()) for name, text in named if text is not None)
    return producer.Record(item["topic"], item["key"].encode(), None if value is None else value.encode(), headers)


def _emptying(document_id: str, items: Sequence[Document]) -> tuple[Document, Document]:
    """Return filter and change of the write that empties a list: it changes nothing where the list has grown.

    Items are added only at the end: a list of this length that starts and ends with these is the same list.
    """
    last = len(items) - 1
    same = {
        "_id": document_id,
        "pending": {"$size": len(items)},
        "pending.0.id": items[0]["id"],
        f"pending.{last}.id": items[last]["id"],
    }
    return same, {"$set": {"pending": []}, "$unset": {"pending_since": ""}}


def outbox_indexes(collection: str) -> Sequence[Index]:
    """Return the index by which the relay finds what is left over."""
    return (Index(collection, [("pending_since", ASCENDING)], sparse=True),)


class OutboxMetrics:
    """What is counted of a process's outboxes, by the collection each is on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        on = ["outbox"]
        self.left = Counter("outbox_items", "Items that left the outbox, by kind.", [*on, "do"], registry=registry)
        self.relayed = Counter(
            "outbox_relayed_documents", "Documents whose left-over items the relay took up.", on, registry=registry
        )
        self.oldest = Gauge(
            "outbox_oldest_timestamp_seconds", "Since when the oldest item waits; 0 where none.", on, registry=registry
        )


class Outbox:
    """Dispatches the pending items of one collection's documents."""

    def __init__(
        self,
        collection: Collection,
        sender: producer.Producer,
        courier: Courier | None,
        metrics: OutboxMetrics,
        now: Now = utcnow,
    ) -> None:
        self._documents = collection
        self._sender = sender
        self._courier = courier
        self._now = now
        self._left = metrics.left
        self._relayed = metrics.relayed.labels(collection.name)
        self._oldest = metrics.oldest.labels(collection.name)

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
                await self._sender.send_all([_letter(item) for item in publications], timeout=SEND_SECONDS)
                self._left.labels(self._documents.name, PUBLISH).inc(len(publications))
                if len(publications) == len(items) and await self._empty(document_id, items):
                    return
                items = await self.remove(document_id, [item["id"] for item in publications])
            elif await self._deliver(document_id, items[0]):
                items = await self._pending(document_id)
            else:
                return
        await self._settle(document_id)

    async def dispatch_all(self, written: Mapping[str, Sequence[Document]]) -> None:
        """Publish what was just written on many documents at once, with one call to the broker and one to the store.

        Args:
            written: by document id its whole pending list, publications only.

        Raises:
            BrokerUnavailable, PyMongoError: what is left stays pending for the relay.
        """
        letters = [_letter(item) for items in written.values() for item in items]
        await self._sender.send_all(letters, timeout=SEND_SECONDS)
        self._left.labels(self._documents.name, PUBLISH).inc(len(letters))
        emptied = [UpdateOne(*_emptying(document_id, written[document_id])) for document_id in sorted(written)]
        await self._documents.bulk_write(emptied, ordered=False)

    async def _pending(self, document_id: str) -> list[Document]:
        document = await self._documents.find_one({"_id": document_id}, {"pending": 1})
        return list((document or {}).get("pending", []))

    async def _empty(self, document_id: str, items: Sequence[Document]) -> bool:
        result = await self._documents.update_one(*_emptying(document_id, items))
        return bool(result.matched_count)

    async def _deliver(self, document_id: str, item: Document) -> bool:
        if self._courier is None:
            raise LookupError(f"nobody delivers items of the kind {item['do']!r}")
        gone = await self._courier(document_id, item)
        if gone:
            self._left.labels(self._documents.name, item["do"]).inc()
        return gone

    async def remove(self, document_id: str, item_ids: Sequence[str]) -> list[Document]:
        """Take accepted items off a document and return those that are left."""
        document = await self._documents.find_one_and_update(
            {"_id": document_id},
            {"$pull": {"pending": {"id": {"$in": list(item_ids)}}}},
            projection={"pending": 1},
            return_document=ReturnDocument.AFTER,
        )
        return list((document or {}).get("pending", []))

    async def replace(self, document_id: str, item_id: str, successor: Document) -> bool:
        """Turn an item into another in its place; False where it has left the list already."""
        where = {"_id": document_id, "pending.id": item_id}
        change = {"$set": {"pending.$[item]": successor}}
        result = await self._documents.update_one(where, change, array_filters=[{"item.id": item_id}])
        return bool(result.matched_count)

    async def _settle(self, document_id: str) -> None:
        await self._documents.update_one({"_id": document_id, "pending": []}, {"$unset": {"pending_since": ""}})

    async def relay_once(self, older_than: timedelta, limit: int = 500) -> int:
        """Dispatch documents whose items have waited for longer than the given time; return how many were taken up."""
        waiting = {"pending_since": {"$lt": self._now() - older_than}}
        found = self._documents.find(waiting, {"_id": 1, "pending_since": 1}).sort("pending_since", ASCENDING)
        due = [document async for document in found.limit(limit)]
        self._oldest.set(due[0]["pending_since"].timestamp() if due else 0)
        self._relayed.inc(len(due))
        slots = asyncio.Semaphore(RELAY_CONCURRENCY)

        async def relay(document: Document) -> None:
            async with slots:
                await self._relay(document["_id"])

        results = await asyncio.gather(*(relay(document) for document in due), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error
        return len(due)

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
