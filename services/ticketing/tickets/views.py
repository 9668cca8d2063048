"""Tickets as staff see and write them."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.ticketing.clocks.model import Desk, Priority, TargetName
from services.ticketing.tickets.model import REPAIR, TRANSITIONS, PhoneCheck, State, Ticket


def _visible(text: str) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if not text or any(unicodedata.category(char).startswith("C") for char in text):
        raise ValueError("must be a name without control characters")
    return text


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_visible)]
Answer = Annotated[str, Field(min_length=1, max_length=2000)]
Contact = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}:U[0-9a-f]{32}$", description="`{channel}:{LINE user id}`")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TicketPatch(_Body):
    """What to change; what is absent stays. Null gives the ticket to nobody, or to no team."""

    state: State | None = None
    assignee: Name | None = None
    team: Name | None = None
    priority: Priority | None = None

    @model_validator(mode="after")
    def _has_values(self) -> TicketPatch:
        for name in ("state", "priority"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class NewTicket(_Body):
    """A ticket that staff open for a contact."""

    contact: Contact
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")] = REPAIR
    answers: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], Answer], Field(max_length=40)
    ] = {}
    priority: Priority = "normal"
    assignee: Name | None = None
    team: Name | None = None


class EntryView(BaseModel):
    """A change: who, when, which field, old and new."""

    at: datetime
    by: str
    field: str
    old: str | None
    new: str | None


class BreachView(BaseModel):
    """A target that passed unmet, and when that was noted."""

    target: TargetName
    at: datetime


class ClocksView(BaseModel):
    """Working seconds without those in which the customer was waited for."""

    running: bool
    worked_seconds: float
    first_response_at: datetime | None
    first_response_seconds: float | None
    resolution_seconds: float | None


class TicketSummary(BaseModel):
    """A ticket in a list."""

    id: str
    number: int
    channel: str
    contact: str | None
    member: str | None
    kind: str
    state: State
    assignee: str | None
    team: str | None
    priority: Priority
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    due_at: datetime | None
    breaches: list[BreachView]
    version: int


class TicketView(TicketSummary):
    """A whole ticket. `photos` are message ids in the customer's order; `allowed` says which states may follow."""

    answers: dict[str, str]
    photos: list[str]
    phone_verified: PhoneCheck
    clocks: ClocksView
    allowed: list[State]
    history: list[EntryView]


class TicketPage(BaseModel):
    """A page of tickets."""

    items: list[TicketSummary]
    next_cursor: str | None


def summary(ticket: Ticket) -> TicketSummary:
    """Return what a list shows of a ticket."""
    return TicketSummary.model_validate(ticket, from_attributes=True)


def whole(ticket: Ticket, desk: Desk, at: datetime) -> TicketView:
    """Return a ticket with its clock as it stands at a moment."""
    clocks = ticket.clocks
    return TicketView(
        **dict(summary(ticket)),
        answers=ticket.answers,
        photos=ticket.photos,
        phone_verified=ticket.phone_verified,
        clocks=ClocksView(
            running=clocks.watch.since is not None,
            worked_seconds=clocks.watch.reading(desk.hours, at).total_seconds(),
            first_response_at=clocks.first_response_at,
            first_response_seconds=clocks.first_response_seconds,
            resolution_seconds=clocks.resolution_seconds,
        ),
        allowed=list(TRANSITIONS[ticket.state]),
        history=[EntryView.model_validate(entry, from_attributes=True) for entry in ticket.history],
    )
