"""The conversations on the real store, with LINE and Kafka scripted, and a process that can die after any call."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import httpx
import orjson
from prometheus_client import CollectorRegistry, Counter

from services.ticketing.autoreplies.api import rule_routes
from services.ticketing.autoreplies.store import INDEXES as RULES
from services.ticketing.autoreplies.store import MongoRules, RuleBook
from services.ticketing.conversations.api import Inbox, conversation_routes
from services.ticketing.conversations.changes import ConversationChanges
from services.ticketing.conversations.errands import NOTE_REPLY, OPEN_TICKET
from services.ticketing.conversations.handlers import DeskDeps, on_line_events
from services.ticketing.conversations.replies import Replies
from services.ticketing.conversations.store import INDEXES as CONVERSATIONS
from services.ticketing.conversations.store import MongoConversations
from services.ticketing.flows.store import FlowBook, MongoFlows, load_built_in
from services.ticketing.messages.model import Message, delivery_of
from services.ticketing.messages.store import INDEXES as MESSAGES
from services.ticketing.messages.store import MongoMessages
from services.ticketing.people.store import MongoPeople
from services.ticketing.tests.ticket_rig import CHANNELS, MONDAY, Fuse, Fused, Kafka, Phone, bearer, the_keys
from shared.answers import ANSWER, AnswerCourier, AnswerMetrics
from shared.answers.store import AnswerStates
from shared.api import create_api
from shared.audit import Audit
from shared.clock import from_millis, rfc3339
from shared.consumer import Coordinates, Record
from shared.couriers import courier_of, errand
from shared.line.client import LineClient
from shared.mongo import Database, Document, ensure_indexes
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer
from shared.testing.line_webhooks import event, line_record
from shared.topics import LINE_EVENTS

USER = "U" + "a" * 32
ANN = f"shop:{USER}"
INDEXES = (*CONVERSATIONS, *MESSAGES, *RULES)


class DeskRig:
    """One process of ticketing as far as conversations go; `errands` is what it asked of the tickets."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = MONDAY + timedelta(seconds=1)
        self.fuse = Fuse()
        self.phone, self.kafka = Phone(self.fuse), Kafka(self.fuse)
        self.errands: list[Document] = []
        self.kept: list[Message] = []
        self.unsent: list[tuple[str, str]] = []
        fused = cast(Database, Fused(database, self.fuse))
        conversations = MongoConversations(fused)
        self.messages, self.people = MongoMessages(fused), MongoPeople(fused)
        self.rules = MongoRules(database)
        self.book = RuleBook(self.rules)
        self.outbox = self._outbox(conversations)
        self.changes = ConversationChanges(conversations, self.messages, self.outbox, self.clock)
        self.ignored = Counter("ignored", "Ignored.", ["source"], registry=CollectorRegistry())
        self.deps = DeskDeps(
            changes=self.changes,
            messages=self.messages,
            people=self.people,
            rules=self.book,
            flows=FlowBook(MongoFlows(database), load_built_in()),
            channels=CHANNELS,
            ignored=self.ignored,
            grace=timedelta(hours=72),
            now=self.clock,
            kept=(self._keep,),
            unsent=(self._forget,),
        )

    def _outbox(self, conversations: MongoConversations) -> Outbox:
        async def deliver(document_id: str, item: Document) -> bool:
            return await couriers(document_id, item)

        async def ended(_: str, item: Document, end: str, request_id: str | None) -> None:
            await self.messages.end(item, delivery_of(end, request_id, self.now))

        async def run(_: str, item: Document) -> bool:
            if item not in self.errands:
                self.errands.append(item)
            return True

        metrics = OutboxMetrics(CollectorRegistry())
        outbox = Outbox(conversations.collection, cast(Producer, self.kafka), deliver, metrics, self.clock)
        answers = AnswerCourier(
            "ticketing",
            AnswerStates(conversations.collection),
            outbox,
            cast(LineClient, self.phone),
            CHANNELS,
            AnswerMetrics(CollectorRegistry()),
            self.clock,
            ended=ended,
        )
        couriers = courier_of(
            {ANSWER: answers.deliver, NOTE_REPLY: errand(outbox, run), OPEN_TICKET: errand(outbox, run)}
        )
        return outbox

    async def _keep(self, message: Message) -> None:
        self.kept.append(message)

    async def _forget(self, contact: str, message_id: str) -> None:
        self.unsent.append((contact, message_id))

    def clock(self) -> datetime:
        """The present moment."""
        return self.now

    async def prepare(self) -> None:
        """Make the indexes."""
        await ensure_indexes(self.database, INDEXES)

    async def arrive(self, *records: Record) -> None:
        """Hand records of one contact to the handler, as the consumer does."""
        await on_line_events(records, self.deps)

    async def settle(self, rounds: int = 3) -> None:
        """Do what the relay does, until nothing waits."""
        for _ in range(rounds):
            await self.outbox.dispatch(ANN)
            self.now += timedelta(seconds=16)

    async def said(self) -> list[str]:
        """The thread's words, oldest first, each with who said them."""
        found = await self.messages.page(ANN, None, 100)
        return [f"{entry.direction}: {_words(entry)}" for entry in reversed(found)]

    def staff(self, key: str = "agent") -> httpx.AsyncClient:
        """A caller of the API."""
        keys, audit = the_keys(), Audit(self.database, self.clock)
        replies = Replies(self.changes, self.messages, self.clock)
        inbox = Inbox(self.changes, self.messages, self.people, replies, CHANNELS, audit, keys, self.clock)
        api = create_api("desk", CollectorRegistry())
        api.include_router(conversation_routes(inbox))
        api.include_router(rule_routes(self.rules, self.book, CHANNELS, audit, keys, self.clock))
        return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://desk", headers=bearer(key))


def _words(entry: Message) -> str:
    return entry.text or " ".join(message["text"] for message in entry.messages) or entry.kind


def text_event(words: str, at: datetime = MONDAY, user: str = USER, **more: Any) -> dict[str, Any]:
    """A message of a customer."""
    fields = {"message": {"id": f"m-{words}", "type": "text", "text": words}, "replyToken": f"token-{words}"}
    return event("message", user, at, **(fields | more))


def record(offset: int, line_event: dict[str, Any], channel: str = "shop") -> Record:
    """The record of line.events that carries an event, received as it happened."""
    sent = line_record(channel, line_event)
    value = orjson.loads(sent.value or b"") | {"received_at": rfc3339(from_millis(line_event["timestamp"]))}
    at = Coordinates(LINE_EVENTS, 0, offset)
    return Record(at, sent.key, orjson.dumps(value), sent.headers, MONDAY, at)
