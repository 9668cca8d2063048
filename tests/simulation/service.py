"""A small service on the real chassis: each record becomes one entry of its key's document, a fact, and a message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from shared.answers import ANSWER, AnswerCourier, AnswerMetrics, notice_item
from shared.answers.model import NEW
from shared.answers.store import AnswerStates
from shared.channels import Channels
from shared.clock import utcnow
from shared.consumer import BadRecord, Consumer, ConsumerOptions, Record
from shared.consumer.claims import Claims
from shared.couriers import courier_of
from shared.line.client import LineClient
from shared.line.transport import Patience
from shared.mongo import Document, DuplicateKeyError, is_unavailable
from shared.outbox import PUBLISH, Outbox, OutboxMetrics
from shared.producer import BrokerUnavailable, Producer
from tests.simulation.kafka_client import Sender
from tests.simulation.line import Session
from tests.simulation.loop import Process
from tests.simulation.silence import Silence
from tests.simulation.store import Collection, Database
from tests.simulation.world import World

SERVICE = "simulated"
ARRIVALS = "line.events"
FACTS = "facts"
CONTACTS = "contacts"
ENDS = "ends"
BAD = b"bad"
CHANNEL = "shop"
OPTIONS = ConsumerOptions(
    SERVICE, "", drain_seconds=2.0, session_timeout_ms=4000, partition_unfinished=8, span=12, total_unfinished=14
)
PATIENCE = Patience(attempts=2, within=4.0, attempt=2.0)
RELAY_EVERY, RELAY_AFTER = 3.0, 3.0


class Contacts:
    """The service's store: effect, offset guard and outbox in one write."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    async def apply(self, record: Record, event_id: str, items: Sequence[Document]) -> bool:
        """Write a record's effect; False where it is there already."""
        key, place = (record.key or b"").decode(), f"offsets.{record.at.topic.replace('.', '_')}"
        older = {"_id": key, "$or": [{place: None}, {place: {"$lt": record.at.offset}}]}
        change = {
            "$set": {place: record.at.offset, "pending_since": utcnow()},
            "$push": {"effects": event_id, "pending": {"$each": list(items)}},
        }
        try:
            result = await self.collection.update_one(older, change, upsert=True)
        except DuplicateKeyError:
            result = await self.collection.update_one(older, change)
            return bool(result.matched_count)
        return True


def items_of(record: Record, event_id: str) -> list[Document]:
    """Return what is to be published and sent for a record."""
    key = (record.key or b"").decode()
    fact: Document = {"id": f"fact-{event_id}", "do": PUBLISH, "topic": FACTS, "key": key, "value": event_id}
    items = [fact | {"event_id": fact["id"]}]
    if record.value in {b"push", b"reply"}:
        notice = notice_item(
            f"notice-{event_id}",
            purpose="greeting",
            messages=[{"type": "text", "text": event_id}],
            contact=f"{CHANNEL}:{key}",
            at=record.written_at,
        )
        by_token = {"reply_token": event_id, "state": NEW, "event_id": event_id}
        items.append(notice | by_token if record.value == b"reply" else notice)
    return items


class Service:
    """One process of the service. `channels` is anything that knows the one account."""

    def __init__(self, world: World, process: Process, database: Database, sender: Sender, session: Session) -> None:
        self.stop = asyncio.Event()
        channels = cast(Channels, world.channels)
        line = LineClient(cast(Any, Silence()), channels, cast(Any, None), patience=PATIENCE)
        line._transport._session = cast(Any, session)
        self.contacts = self.make_contacts(database[CONTACTS])
        documents, producer = cast(Any, database[CONTACTS]), cast(Producer, sender)
        self._database = cast(Any, database)
        self._ends = database[ENDS]
        couriers: dict[str, Any] = {}
        self.outbox = Outbox(documents, producer, courier_of(couriers), OutboxMetrics(cast(Any, None)))
        answers = AnswerCourier(
            SERVICE,
            AnswerStates(documents),
            self.outbox,
            line,
            channels,
            AnswerMetrics(cast(Any, None)),
            utcnow,
            ended=self._ended,
        )
        couriers[ANSWER] = answers.deliver
        handlers = {ARRIVALS: self.handle}
        claims = Claims(self._database)
        self.consumer = Consumer(OPTIONS, handlers, producer, claims, None, cast(Any, None))

    make_contacts: Any = Contacts

    async def _ended(self, document_id: str, item: Document, end: str, request_id: str | None) -> None:
        await self._ends.update_one({"_id": item["id"]}, {"$set": {"end": end}}, upsert=True)

    async def handle(self, records: Sequence[Record]) -> None:
        """Apply records of one key, in order."""
        for record in records:
            if record.value == BAD:
                raise BadRecord("it says so itself")
            event_id = record.event_id or ""
            if await self.contacts.apply(record, event_id, items_of(record, event_id)):
                try:
                    await self.outbox.dispatch((record.key or b"").decode())
                except Exception as error:
                    if not (is_unavailable(error) or isinstance(error, BrokerUnavailable)):
                        raise

    async def run(self) -> None:
        """Work until `stop` is set, then drain."""

        async def before() -> None:
            await asyncio.sleep(0.01)

        async with self.outbox.relaying(self._database, RELAY_EVERY, RELAY_AFTER), self.consumer.running(before):
            await self.stop.wait()
