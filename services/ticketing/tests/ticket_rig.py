"""The tickets' room on the real store, with LINE and Kafka scripted, and a process that can die after any call out."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.ticketing.clocks.store import MongoHours
from services.ticketing.conversations.errands import NOTE_REPLY, OPEN_TICKET
from services.ticketing.people.store import MongoPeople
from services.ticketing.tickets.changes import TicketChanges
from services.ticketing.tickets.errands import opening_courier, response_errand
from services.ticketing.tickets.model import ticket_id
from services.ticketing.tickets.store import MongoTickets
from shared import topics
from shared.answers import ANSWER, AnswerCourier, AnswerMetrics, answer_item
from shared.answers.store import AnswerStates
from shared.auth import AdminKey, AdminKeys, Role
from shared.channels import Channel, Channels
from shared.couriers import courier_of, errand
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Outcome, Rejected
from shared.line.prepared import PreparedCall
from shared.line_events import LineEvent
from shared.mongo import Database, Document
from shared.outbox import Courier, Outbox, OutboxMetrics
from shared.producer import Producer, Record

MONDAY = datetime(2026, 11, 9, 9, 10, tzinfo=UTC)
ANN = "shop:U" + "a" * 32
PHOTOS = ["photo-2", "photo-1", "photo-3"]
_CALLS_OUT = frozenset({"find_one", "find_one_and_update", "insert_one", "update_one", "update_many", "delete_one"})


class Death(BaseException):
    """The process is killed."""


@dataclass
class Fuse:
    """Kills the process right after its nth call out of it; `left` None never does."""

    left: int | None = None

    async def after(self, call: Awaitable[Any]) -> Any:
        """Make a call, and die if it was the one."""
        result = await call
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.left = None
                raise Death
        return result


class Fused:
    """A database or collection whose calls run through a fuse."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getitem__(self, name: str) -> Fused:
        return Fused(self._inner[name], self._fuse)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in _CALLS_OUT:
            return found

        async def call(*args: Any, **named: Any) -> Any:
            return await self._fuse.after(found(*args, **named))

        return call


@dataclass
class Phone:
    """LINE, as the customer sees it: a reply token works once, a push once a retry key."""

    fuse: Fuse
    shown: list[tuple[str, str, str]] = field(default_factory=list)
    """(api, user, text), once each."""
    used: set[str] = field(default_factory=set)

    @property
    def sending(self) -> Phone:
        return self

    async def reply(self, channel: str, token: str, messages: Any, **about: Any) -> Outcome:
        return cast(Outcome, await self.fuse.after(self._reply(token, messages, about["attempted_before"])))

    async def _reply(self, token: str, messages: Any, attempted_before: bool) -> Outcome:
        if token in self.used:
            return Accepted(duplicate=True) if attempted_before else Rejected(400, "Invalid reply token")
        return self._show(token, "reply", "", messages)

    async def send(self, prepared: PreparedCall, **about: Any) -> Outcome:
        return cast(Outcome, await self.fuse.after(self._push(prepared)))

    async def _push(self, prepared: PreparedCall) -> Outcome:
        if prepared.retry_key in self.used:
            return Accepted(duplicate=True)
        body = orjson.loads(prepared.body)
        return self._show(prepared.retry_key, "push", body["to"], body["messages"])

    def _show(self, key: str, api: str, to: str, messages: Any) -> Outcome:
        self.used.add(key)
        self.shown += [(api, to, message["text"]) for message in messages]
        return Accepted("r1")


@dataclass
class Kafka:
    """Takes publications in the producer's place."""

    fuse: Fuse
    records: list[Record] = field(default_factory=list)

    async def send_all(self, records: list[Record], timeout: float) -> None:
        await self.fuse.after(self._take(records))

    async def _take(self, records: list[Record]) -> None:
        self.records += records

    def facts(self, kind: str) -> list[dict[str, Any]]:
        """Facts of ticket.events of a kind, a repeat left out as consumers leave it out."""
        values = [orjson.loads(record.value or b"") for record in self.records if record.topic == topics.TICKET_EVENTS]
        return list({value["id"]: value for value in values if value["type"] == kind}.values())


def a_channel(slug: str, language: str = "en") -> Channel:
    """An account."""
    return Channel(
        slug=slug,
        name=slug,
        destination="U" + hashlib.md5(slug.encode()).hexdigest(),
        basic_id=f"@{slug}",
        channel_secret=SecretStr("s"),
        access_token=SecretStr("t"),
        timezone="Asia/Taipei",
        language=language,
    )


CHANNELS = Channels([a_channel("shop"), a_channel("other")])


def the_keys() -> AdminKeys:
    """A key of every role, one for another account only."""
    roles: tuple[Role, ...] = ("admin", "marketer", "agent", "viewer")
    keys = [AdminKey(id=role, sha256=_hash(role), role=role) for role in roles]
    return AdminKeys([*keys, AdminKey(id="elsewhere", sha256=_hash("elsewhere"), role="agent", channels=["other"])])


def _hash(key: str) -> str:
    return hashlib.sha256(f"mk_{key}_x".encode()).hexdigest()


def bearer(key: str) -> dict[str, str]:
    """The Authorization header of a key."""
    return {"authorization": f"Bearer mk_{key}_x"}


class Rig:
    """One process of ticketing as far as tickets go."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = MONDAY
        self.fuse = Fuse()
        self.phone = Phone(self.fuse)
        self.kafka = Kafka(self.fuse)
        fused = cast(Database, Fused(database, self.fuse))
        metrics, answers = OutboxMetrics(CollectorRegistry()), AnswerMetrics(CollectorRegistry())
        self.hours = MongoHours(fused, CHANNELS)
        self.people = MongoPeople(fused)
        self.tickets = MongoTickets(fused)

        def outbox_of(collection: Any, couriers: Callable[[Outbox], dict[str, Courier]]) -> Outbox:
            async def deliver(document_id: str, item: Document) -> bool:
                return await courier_of(couriers(outbox))(document_id, item)

            outbox = Outbox(collection, cast(Producer, self.kafka), deliver, metrics, self.clock)
            return outbox

        def answering(outbox: Outbox, collection: Any) -> Courier:
            line = cast(LineClient, self.phone)
            states = AnswerStates(collection)
            return AnswerCourier("ticketing", states, outbox, line, CHANNELS, answers, self.clock).deliver

        self.outbox = outbox_of(self.tickets.collection, lambda own: {ANSWER: answering(own, self.tickets.collection)})
        self.changes = TicketChanges(self.tickets, self.outbox, self.hours, self.people, CHANNELS, self.clock)
        conversations = fused["conversations"]
        self.conversations = outbox_of(
            conversations,
            lambda own: {
                ANSWER: answering(own, conversations),
                OPEN_TICKET: opening_courier(self.changes, own),
                NOTE_REPLY: errand(own, response_errand(self.changes)),
            },
        )

    def clock(self) -> datetime:
        """The present moment."""
        return self.now

    async def put(self, contact: str, *items: Document) -> None:
        """Put items on a contact's conversation."""
        change = {"$push": {"pending": {"$each": list(items)}}, "$set": {"pending_since": self.now}}
        await self.database["conversations"].update_one({"_id": contact}, change, upsert=True)

    async def settle(self, *contacts: str, rounds: int = 3) -> None:
        """Do what the relay does, until nothing waits."""
        for _ in range(rounds):
            for contact in contacts:
                await self.conversations.dispatch(contact)
            for document in await self.database["tickets"].find({"pending_since": {"$exists": True}}).to_list(None):
                await self.outbox.dispatch(document["_id"])
            self.now += timedelta(seconds=16)

    async def waiting(self) -> int:
        """How many items wait on any outbox."""
        found = [self.database[name].find({}, {"pending": 1}) for name in ("tickets", "conversations")]
        return sum([len(document.get("pending", [])) for cursor in found async for document in cursor])


def completed_repair(session: str, contact: str = ANN, at: datetime = MONDAY) -> Document:
    """What a conversation's outbox holds once a guided repair is complete."""
    event = LineEvent(
        id=f"evt-{session}",
        type="message",
        mode="active",
        channel=contact.partition(":")[0],
        contact=contact,
        kind="user",
        user_id=contact.partition(":")[2],
        at=at,
        received_at=at,
        redelivered=False,
        reply_token=f"token-{session}",
        body={},
    )
    said = [{"type": "text", "text": "Your number is {number}."}]
    return {
        "id": f"{session}.ticket",
        "do": OPEN_TICKET,
        "session": session,
        "flow": "repair",
        "flow_version": 0,
        "kind": "repair",
        "answers": {"name": "Ann", "phone": "+886912345678", "product": "Kettle", "fault": "Cold", "photos": PHOTOS},
        "sources": {"name": "m1", "fault": "m4"},
        "contact": contact,
        "member": "mbr_1",
        "at": at,
        "answer": answer_item(f"evt-{session}.flow", purpose="flow", messages=said, contact=contact, event=event),
    }


def the_ticket(session: str) -> str:
    """The id of a session's ticket."""
    return ticket_id(session)
