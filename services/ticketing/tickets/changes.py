"""Opening and changing tickets: read, decide, write by compare-and-set with its outbox items, dispatch (design §5)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from services.ticketing.clocks.model import Desk, Priority, Stopwatch
from services.ticketing.people.model import Person, stranger
from services.ticketing.tickets import facts
from services.ticketing.tickets.model import (
    Clocks,
    PhoneCheck,
    State,
    Ticket,
    assign,
    flag_breaches,
    next_due,
)
from services.ticketing.tickets.store import MongoTickets
from services.ticketing.tickets.texts import state_notice
from shared import topics
from shared.answers import notice_item
from shared.channels import Channels
from shared.clock import Now, from_millis, to_millis
from shared.consumer import WorldDown
from shared.events import DeskFact
from shared.line import builders
from shared.mongo import Document, is_unavailable
from shared.outbox import Outbox, publication
from shared.producer import BrokerUnavailable

logger = logging.getLogger(__name__)

ATTEMPTS = 50
NOTICE = "ticket_notice"
"""The purpose of what a customer is told of a state, on line.sent."""


class Desks(Protocol):
    """Knows the hours and targets of accounts."""

    async def desk(self, channel: str) -> Desk:
        """Return an account's desk."""


class People(Protocol):
    """Knows contacts."""

    async def get(self, contact: str) -> Person | None:
        """Return who a contact is."""


@dataclass(frozen=True)
class Opening:
    """What a ticket is opened with. The same `id` is the same ticket, whatever else is given."""

    id: str
    channel: str
    contact: str
    kind: str
    by: str
    at: datetime
    answers: dict[str, str] = field(default_factory=dict)
    photos: Sequence[str] = ()
    sources: dict[str, str] = field(default_factory=dict)
    phone_verified: PhoneCheck = "unknown"
    priority: Priority = "normal"
    assignee: str | None = None
    team: str | None = None
    request: str | None = None


Edit = Callable[[Ticket, Desk, datetime], Sequence[DeskFact]]
"""Changes the given ticket in place and says what to tell. It may run several times, each time on a fresh read; what it
raises comes out, and nothing is changed."""


class TicketChanges:
    """The one way in which tickets come to be and change."""

    def __init__(
        self, store: MongoTickets, outbox: Outbox, desks: Desks, people: People, channels: Channels, now: Now
    ) -> None:
        self.store = store
        self._outbox = outbox
        self._desks = desks
        self._people = people
        self._channels = channels
        self._now = now

    async def open(self, opening: Opening) -> Ticket:
        """Return the ticket of this id, made where there is none: one ticket and one number, however often it is asked
        for and by how many at once."""
        for _ in range(ATTEMPTS):
            ticket = await self.store.get(opening.id)
            if ticket is not None:
                return ticket
            ticket = await self._new(opening)
            if await self.store.add(ticket, self._openings(ticket, opening), self._moment()):
                return ticket
            if await self.store.get(opening.id) is None:
                await self.store.catch_up(opening.channel)
        raise WorldDown(f"no number was free in {ATTEMPTS} attempts")

    async def _new(self, opening: Opening) -> Ticket:
        desk = await self._desks.desk(opening.channel)
        person = await self._people.get(opening.contact) or stranger(opening.contact)
        opened_at = min(_to_millis(opening.at), self._moment())
        ticket = Ticket(
            id=opening.id,
            number=await self.store.next_number(opening.channel),
            channel=opening.channel,
            contact=opening.contact,
            member=person.member,
            kind=opening.kind,
            opened_at=opened_at,
            opened_by=opening.by,
            clocks=Clocks(Stopwatch(since=opened_at)),
            answers=dict(opening.answers),
            photos=list(opening.photos),
            sources=dict(opening.sources),
            phone_verified=opening.phone_verified,
            priority=opening.priority,
            request=opening.request,
        )
        assign(ticket, opening.by, opened_at, assignee=opening.assignee, team=opening.team)
        ticket.due_at = next_due(ticket, desk)
        return ticket

    def _openings(self, ticket: Ticket, opening: Opening) -> list[Document]:
        told: list[DeskFact] = [facts.opened(ticket)]
        if ticket.assignee or ticket.team:
            told.append(facts.assigned(ticket, opening.by, ticket.opened_at))
        return _publications(told)

    async def change(self, ticket_id: str, edit: Edit, *, at: datetime | None = None) -> Ticket | None:
        """Change a ticket; None where there is none. What follows from it waits on its outbox.

        Args:
            ticket_id: which.
            edit: the change.
            at: when what changes it happened, where that is not now.
        """
        for attempt in range(ATTEMPTS):
            ticket = await self.store.get(ticket_id)
            if ticket is None:
                return None
            before = replace(ticket)
            told = await self._decide(ticket, edit, at)
            if ticket == before:
                return ticket
            items = _publications(told) + await self._notices(before.state, ticket)
            if await self.store.save(ticket, items, self._moment()):
                return ticket
            await asyncio.sleep(random.uniform(0, 0.005 * (attempt + 1)))  # noqa: S311
        raise WorldDown(f"the ticket kept changing during {ATTEMPTS} attempts")

    async def _decide(self, ticket: Ticket, edit: Edit, at: datetime | None) -> list[DeskFact]:
        desk = await self._desks.desk(ticket.channel)
        moment = self._moment() if at is None else at
        missed = flag_breaches(ticket, moment, desk)
        told: list[DeskFact] = [facts.breached(ticket, target, moment) for target in missed]
        told += edit(ticket, desk, moment)
        ticket.due_at = next_due(ticket, desk)
        return told

    async def _notices(self, previous: State, ticket: Ticket) -> list[Document]:
        """Return what tells the customer of a new state, unless they blocked the account: LINE would swallow it."""
        channel = self._channels.get(ticket.channel)
        if ticket.state == previous or ticket.contact is None or channel is None:
            return []
        person = await self._people.get(ticket.contact)
        if person is not None and person.following is False:
            return []
        text = builders.text(state_notice(ticket, channel.language))
        notice_id = f"{ticket.id}.{ticket.version + 1}.notice"
        return [
            notice_item(
                notice_id,
                purpose=NOTICE,
                messages=[text],
                contact=ticket.contact,
                at=self._moment(),
                origin=ticket.id,
            )
        ]

    async def dispatch(self, ticket_id: str) -> None:
        """Let leave what waits on a ticket's outbox; where the world is down the relay does, later."""
        try:
            await self._outbox.dispatch(ticket_id)
        except Exception as error:
            if not is_unavailable(error) and not isinstance(error, BrokerUnavailable):
                raise
            logger.warning("left to the relay", extra={"ticket": ticket_id, "reason": error.__class__.__name__})

    def _moment(self) -> datetime:
        return _to_millis(self._now())


def _to_millis(moment: datetime) -> datetime:
    """Cut a moment to what the store keeps of it, so that a ticket reads back equal."""
    return from_millis(to_millis(moment))


def _publications(told: Sequence[DeskFact]) -> list[Document]:
    return [publication(topics.TICKET_EVENTS, fact.contact, fact, fact.id) for fact in told]
