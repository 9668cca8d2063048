"""What a ticket is and how it changes: pure rules.

A ticket's clock runs over the desk's working hours from the opening to the end, and stands while the customer is waited
for (features F69). First response and resolution are two readings of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal, get_args

from services.ticketing.clocks.model import Desk, Priority, Stopwatch, TargetName
from shared.ids import stable_uuid

State = Literal["new", "accepted", "in_progress", "waiting_customer", "ready", "closed", "cancelled"]
PhoneCheck = Literal["verified", "unverified", "unknown"]

STATES: tuple[State, ...] = get_args(State)

TRANSITIONS: Mapping[State, tuple[State, ...]] = MappingProxyType(
    {
        "new": ("accepted", "cancelled"),
        "accepted": ("in_progress", "cancelled"),
        "in_progress": ("waiting_customer", "ready", "cancelled"),
        "waiting_customer": ("in_progress", "cancelled"),
        "ready": ("closed", "cancelled"),
        "closed": (),
        "cancelled": (),
    }
)
"""Which state may follow which; one without successors is final."""

REPAIR = "repair"
HISTORY_LIMIT = 200
SYSTEM = "system"
"""Who did what nobody asked for."""


class BadTransition(Exception):
    """A ticket cannot take this state from the one it has; the text says what it can."""

    def __init__(self, old: State, new: State) -> None:
        allowed = ", ".join(TRANSITIONS[old])
        super().__init__(f"from {old} a ticket can become {allowed}" if allowed else f"{old} is final")
        self.new = new


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a ticket's history: who changed which field, when, from what to what."""

    at: datetime
    by: str
    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Clocks:
    """A ticket's stopwatch and its two readings, in working seconds."""

    watch: Stopwatch
    first_response_at: datetime | None = None
    first_response_seconds: float | None = None
    resolution_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Breach:
    """A target that passed unmet, and when that was noted."""

    target: TargetName
    at: datetime


@dataclass(slots=True)
class Ticket:
    """A customer's case. `version` is of the stored document; the next write makes it one higher."""

    id: str
    number: int
    channel: str
    contact: str | None
    """None once the person was erased."""
    member: str | None
    kind: str
    opened_at: datetime
    opened_by: str
    clocks: Clocks
    answers: dict[str, str] = field(default_factory=dict)
    photos: list[str] = field(default_factory=list)
    """Message ids, in the order of the customer's own sending."""
    sources: dict[str, str] = field(default_factory=dict)
    """By answer: the message that gave it, for when its sender takes it back."""
    phone_verified: PhoneCheck = "unknown"
    state: State = "new"
    assignee: str | None = None
    team: str | None = None
    priority: Priority = "normal"
    history: list[Entry] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    due_at: datetime | None = None
    """When the next target passes unmet; None where none will unless the ticket changes."""
    closed_at: datetime | None = None
    request: str | None = None
    """What a staff request that opened it asked for, as a hash: a repeat of it is known by that."""
    version: int = 0
    waiting: int = 0
    """How many outbox items the stored document still had when it was read."""

    @property
    def final(self) -> bool:
        """Whether nothing follows its state."""
        return not TRANSITIONS[self.state]


def ticket_id(*identity: str) -> str:
    """Return the id of the one ticket that a flow's session, or a staff request, opens."""
    return f"tkt_{stable_uuid('ticket', *identity).hex}"


def _note(ticket: Ticket, by: str, at: datetime, name: str, old: str | None, new: str | None) -> None:
    ticket.history = [*ticket.history, Entry(at, by, name, old, new)][-HISTORY_LIMIT:]


def move(ticket: Ticket, state: State, by: str, at: datetime, desk: Desk) -> None:
    """Give a ticket another state; the same one again changes nothing.

    Raises:
        BadTransition: it cannot follow the present one.
    """
    if state == ticket.state:
        return
    if state not in TRANSITIONS[ticket.state]:
        raise BadTransition(ticket.state, state)
    _note(ticket, by, at, "state", ticket.state, state)
    ticket.state = state
    _set_clock(ticket, at, desk)


def _set_clock(ticket: Ticket, at: datetime, desk: Desk) -> None:
    watch = ticket.clocks.watch
    if ticket.state == "waiting_customer" or ticket.final:
        ticket.clocks = replace(ticket.clocks, watch=watch.stopped(desk.hours, at))
    else:
        ticket.clocks = replace(ticket.clocks, watch=watch.started(at))
    if ticket.final:
        ticket.closed_at = at
    if ticket.state == "closed":
        ticket.clocks = replace(ticket.clocks, resolution_seconds=ticket.clocks.watch.worked.total_seconds())


def assign(ticket: Ticket, by: str, at: datetime, *, assignee: str | None, team: str | None) -> bool:
    """Give a ticket to a person and a team, or to nobody; False where it is theirs already."""
    before = (ticket.assignee, ticket.team)
    for name, old, new in (("assignee", ticket.assignee, assignee), ("team", ticket.team, team)):
        if old != new:
            _note(ticket, by, at, name, old, new)
    ticket.assignee, ticket.team = assignee, team
    return before != (assignee, team)


def prioritise(ticket: Ticket, priority: Priority, by: str, at: datetime) -> None:
    """Give a ticket another priority; its targets become those of the new one."""
    if priority != ticket.priority:
        _note(ticket, by, at, "priority", ticket.priority, priority)
        ticket.priority = priority


def awaits_response(ticket: Ticket, at: datetime) -> bool:
    """Whether words of staff at a moment are a ticket's first response: none before the opening or after the end is."""
    ended = ticket.closed_at is not None and at > ticket.closed_at
    return ticket.clocks.first_response_at is None and at >= ticket.opened_at and not ended


def respond(ticket: Ticket, at: datetime, desk: Desk) -> bool:
    """Note that staff wrote to the customer; False where that is not the first response of this ticket."""
    if not awaits_response(ticket, at):
        return False
    seconds = ticket.clocks.watch.reading(desk.hours, at).total_seconds()
    ticket.clocks = replace(ticket.clocks, first_response_at=at, first_response_seconds=seconds)
    return True


def _open_targets(ticket: Ticket) -> tuple[TargetName, ...]:
    """The targets not met yet and not flagged as missed."""
    if ticket.final:
        return ()
    names: tuple[TargetName, ...] = ("resolution",)
    if ticket.clocks.first_response_at is None:
        names = ("first_response", "resolution")
    flagged = {breach.target for breach in ticket.breaches}
    return tuple(name for name in names if name not in flagged)


def flag_breaches(ticket: Ticket, at: datetime, desk: Desk) -> list[TargetName]:
    """Flag the targets that have passed unmet by a moment, each once; return those newly flagged."""
    reading = ticket.clocks.watch.reading(desk.hours, at)
    missed = []
    for name in _open_targets(ticket):
        target = desk.target(ticket.priority, name)
        if target is not None and reading >= target:
            missed.append(name)
    ticket.breaches = [*ticket.breaches, *(Breach(name, at) for name in missed)]
    return missed


def next_due(ticket: Ticket, desk: Desk) -> datetime | None:
    """Return when the next target passes unmet; None while the clock stands, or where none is left."""
    targets = (desk.target(ticket.priority, name) for name in _open_targets(ticket))
    watch = ticket.clocks.watch
    moments = [watch.reaches(desk.hours, target) for target in targets if target is not None]
    return min((moment for moment in moments if moment is not None), default=None)
