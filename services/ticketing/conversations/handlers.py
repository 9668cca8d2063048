"""What the desk does with LINE's events of one user: keep every message, move the conversation, answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from prometheus_client import Counter

from services.ticketing import SERVICE
from services.ticketing.autoreplies.store import RuleBook
from services.ticketing.conversations.changes import Change, ConversationChanges
from services.ticketing.conversations.model import Conversation
from services.ticketing.conversations.turns import Desk, FlowCatalogue, UnknownVersion, apply_events
from services.ticketing.messages.model import Message, read_message, read_postback
from services.ticketing.messages.store import MessageStore
from services.ticketing.people.model import Person, stranger
from services.ticketing.people.store import PeopleStore
from shared.answering import answering_service
from shared.arrivals import Arrived, read_events
from shared.channels import Channels
from shared.clock import Now
from shared.consumer import Record
from shared.line_events import LineEvent

Kept = Callable[[Message], Awaitable[None]]
"""Told of every incoming message once it is stored and before the conversation changes; it may be told twice."""

Unsent = Callable[[str, str], Awaitable[None]]
"""Told that a contact took a message back: contact, message id. Whatever a room keeps of it must go; may run twice."""


class FlowBook(Protocol):
    """The guided flows of every account."""

    async def of(self, channel: str, *, fresh: bool = False) -> FlowCatalogue:
        """Return an account's flows; `fresh` reads them now instead of answering from a short-lived copy."""


@dataclass(frozen=True)
class DeskDeps:
    """What the handler needs."""

    changes: ConversationChanges
    messages: MessageStore
    people: PeopleStore
    rules: RuleBook
    flows: FlowBook
    channels: Channels
    ignored: Counter
    grace: timedelta
    now: Now
    kept: Sequence[Kept] = field(default=())
    unsent: Sequence[Unsent] = field(default=())


async def on_line_events(records: Sequence[Record], deps: DeskDeps) -> None:
    """Handle the waiting events of one contact, in order, as one change of its conversation."""
    arrived = read_events(records)
    first = arrived[0].event
    if first.kind != "user" or first.contact is None:
        deps.ignored.labels(first.kind or "bot").inc(len(arrived))
        return
    turns = [item for item in arrived if await _keep(item.event, deps)]
    if turns:
        await _converse(first.contact, turns, deps)


async def _keep(event: LineEvent, deps: DeskDeps) -> bool:
    """Store what an event says; whether it is a turn of the conversation."""
    contact = event.contact or ""
    if event.type == "message" and (message := read_message(event)):
        await deps.messages.keep(message)
        for tell in deps.kept:
            await tell(message)
        return True
    if event.type == "messageEdited":
        await _edit(contact, event, deps)
    elif event.type == "unsend" and isinstance(message_id := event.body.get("unsend", {}).get("messageId"), str):
        await deps.messages.unsend(contact, message_id, event.at)
        for forget in deps.unsent:
            await forget(contact, message_id)
        return True
    elif event.type == "postback" and answering_service(event) == SERVICE and (pressed := read_postback(event)):
        await deps.messages.keep(pressed)
        return True
    return False


async def _edit(contact: str, event: LineEvent, deps: DeskDeps) -> None:
    edited = event.body.get("message", {})
    message_id, text = edited.get("id"), edited.get("text")
    if isinstance(message_id, str) and isinstance(text, str):
        await deps.messages.edit(contact, message_id, text, event.at)


async def _converse(contact: str, turns: Sequence[Arrived], deps: DeskDeps) -> None:
    person = await _person(contact, deps)
    for fresh in (False, True):
        desk = await _desk(person, deps, fresh=fresh)
        try:
            await _change(contact, turns, desk, deps)
        except UnknownVersion:
            continue
        return


async def _change(contact: str, turns: Sequence[Arrived], desk: Desk, deps: DeskDeps) -> None:
    def decide(conversation: Conversation) -> Change:
        return apply_events(conversation, turns, desk)

    if all(item.event.type == "unsend" for item in turns):
        await deps.changes.of_known(contact, decide)
    else:
        await deps.changes.of_contact(contact, decide)


async def _person(contact: str, deps: DeskDeps) -> Person:
    person = await deps.people.get(contact)
    if person is None:
        person = stranger(contact)
        await deps.people.see(person)
    return person


async def _desk(person: Person, deps: DeskDeps, *, fresh: bool) -> Desk:
    channel = person.channel
    return Desk(
        channel=deps.channels.get(channel),
        rules=await deps.rules.of(channel),
        person=person,
        flows=await deps.flows.of(channel, fresh=fresh),
        grace=deps.grace,
        now=deps.now,
        complete=fresh,
    )
