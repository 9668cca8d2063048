"""What ticket.events is told of a ticket. Ids come from the ticket and its version, so a repeat is known as one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.ticketing.clocks.model import TargetName
from services.ticketing.tickets.model import State, Ticket
from shared.events import TicketAssigned, TicketBreached, TicketOpened, TicketReplied, TicketStateChanged
from shared.ids import contact_id, stable_uuid

NOBODY = "erased"
"""The address told where the customer was erased: what becomes of the ticket still counts."""


def told_contact(ticket: Ticket) -> str:
    """Return the key of a ticket's facts."""
    return ticket.contact or contact_id(ticket.channel, NOBODY)


def _about(ticket: Ticket, at: datetime, *which: str) -> dict[str, Any]:
    return {
        "id": f"tev_{stable_uuid('ticket-event', ticket.id, *which).hex}",
        "channel": ticket.channel,
        "occurred_at": at,
        "contact": told_contact(ticket),
        "member": ticket.member,
        "ticket": ticket.id,
        "number": ticket.number,
    }


def opened(ticket: Ticket) -> TicketOpened:
    """Return the fact that a ticket was made."""
    about = _about(ticket, ticket.opened_at, "opened")
    return TicketOpened(**about, kind=ticket.kind, priority=ticket.priority, by=ticket.opened_by)


def assigned(ticket: Ticket, by: str, at: datetime) -> TicketAssigned:
    """Return the fact that the change about to be written gives a ticket to someone."""
    about = _about(ticket, at, "assigned", str(ticket.version + 1))
    return TicketAssigned(**about, assignee=ticket.assignee, team=ticket.team, by=by)


def state_changed(ticket: Ticket, previous: State, by: str, at: datetime) -> TicketStateChanged:
    """Return the fact that the change about to be written gives a ticket another state."""
    return TicketStateChanged(
        **_about(ticket, at, "state", str(ticket.version + 1)),
        kind=ticket.kind,
        state=ticket.state,
        previous=previous,
        by=by,
        resolution_seconds=ticket.clocks.resolution_seconds,
        assignee=ticket.assignee,
        team=ticket.team,
    )


def replied(ticket: Ticket, by: str, at: datetime) -> TicketReplied:
    """Return the fact that staff answered the customer for the first time."""
    return TicketReplied(
        **_about(ticket, at, "replied"),
        by=by,
        first_response_seconds=ticket.clocks.first_response_seconds or 0.0,
        assignee=ticket.assignee,
        team=ticket.team,
    )


def breached(ticket: Ticket, target: TargetName, at: datetime) -> TicketBreached:
    """Return the fact that a target passed unmet."""
    return TicketBreached(**_about(ticket, at, "breached", target), target=target)
