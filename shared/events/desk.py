"""Conversations and tickets: ticket.events."""

from __future__ import annotations

from typing import Literal

from shared.events.base import Fact


class DeskFact(Fact):
    """A fact of the conversation desk about a contact."""

    contact: str
    member: str | None = None


class ConversationOpened(DeskFact):
    """ticket.events: a contact wrote who had no open conversation. `opening` counts them, from 1."""

    type: Literal["conversation_opened"] = "conversation_opened"
    opening: int


class ConversationClosed(DeskFact):
    """ticket.events: staff resolved a conversation. Times in seconds since its opening."""

    type: Literal["conversation_closed"] = "conversation_closed"
    opening: int
    by: str
    first_response_seconds: float | None = None
    resolution_seconds: float | None = None


class TicketOpened(DeskFact):
    """ticket.events: a ticket was made, once."""

    type: Literal["ticket_opened"] = "ticket_opened"
    ticket: str
    number: int
    kind: str
    priority: str = "normal"
    by: str
    """A flow's name, or a key's id."""


class TicketAssigned(DeskFact):
    """ticket.events: a ticket was given to a person, a team, or nobody."""

    type: Literal["ticket_assigned"] = "ticket_assigned"
    ticket: str
    number: int
    assignee: str | None = None
    team: str | None = None
    by: str


class TicketReplied(DeskFact):
    """ticket.events: staff answered the customer of an open ticket for the first time."""

    type: Literal["ticket_replied"] = "ticket_replied"
    ticket: str
    number: int
    by: str
    first_response_seconds: float
    """Working seconds since the ticket was opened."""
    assignee: str | None = None
    team: str | None = None


class TicketStateChanged(DeskFact):
    """ticket.events: a ticket moved on."""

    type: Literal["ticket_state_changed"] = "ticket_state_changed"
    ticket: str
    number: int
    kind: str
    state: str
    previous: str
    by: str
    resolution_seconds: float | None = None
    """Only when it closed: working seconds since the opening, less the waiting for the customer."""
    assignee: str | None = None
    team: str | None = None


class TicketBreached(DeskFact):
    """ticket.events: a target passed unmet, told once a target."""

    type: Literal["ticket_breached"] = "ticket_breached"
    ticket: str
    number: int
    target: Literal["first_response", "resolution"]
