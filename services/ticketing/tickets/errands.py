"""Carrying out what conversations ask of the tickets: the items of `conversations/errands.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.ticketing.clocks.model import Desk
from services.ticketing.flows.model import with_number
from services.ticketing.tickets import facts
from services.ticketing.tickets.changes import Edit, Opening, TicketChanges
from services.ticketing.tickets.model import Ticket, awaits_response, respond, ticket_id
from shared.events import DeskFact
from shared.ids import split_contact
from shared.mongo import Document
from shared.outbox import Courier, Outbox


def opening_courier(changes: TicketChanges, conversations: Outbox) -> Courier:
    """Return the courier of `open_ticket`: it opens the flow's one ticket, then puts the answer with its number in the
    item's place. Both may be done again, by several at once: the ticket is found by its id, the item is replaced once.
    """

    async def deliver(conversation_id: str, item: Document) -> bool:
        ticket = await changes.open(opening_of(item))
        answer = item["answer"]
        said = with_number(answer["messages"], str(ticket.number))
        await conversations.replace(conversation_id, item["id"], {**answer, "messages": said})
        await changes.dispatch(ticket.id)
        return True

    return deliver


def opening_of(item: Mapping[str, Any]) -> Opening:
    """Return what the ticket of a completed flow is opened with: its texts, and all its photos in their order."""
    answers: Mapping[str, Any] = item["answers"]
    return Opening(
        id=ticket_id(item["session"]),
        channel=split_contact(item["contact"])[0],
        contact=item["contact"],
        kind=item["kind"],
        by=item["flow"],
        at=item["at"],
        answers={name: text for name, text in answers.items() if isinstance(text, str)},
        photos=[photo for photos in answers.values() if isinstance(photos, list) for photo in photos],
        sources=dict(item.get("sources", {})),
    )


def response_errand(changes: TicketChanges) -> Courier:
    """Return the errand of `note_reply`: staff wrote to a contact; its tickets may have their first response by it."""

    async def run(_: str, item: Document) -> bool:
        for ticket in await changes.store.of_contact(item["contact"]):
            if not awaits_response(ticket, item["at"]):
                continue
            if await changes.change(ticket.id, _response(item["by"]), at=item["at"]) is not None:
                await changes.dispatch(ticket.id)
        return True

    return run


def _response(by: str) -> Edit:
    def edit(ticket: Ticket, desk: Desk, at: datetime) -> Sequence[DeskFact]:
        return [facts.replied(ticket, by, at)] if respond(ticket, at, desk) else []

    return edit
