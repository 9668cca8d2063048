"""What a change by staff does to a ticket, and what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.ticketing.clocks.model import Desk
from services.ticketing.tickets import facts
from services.ticketing.tickets.changes import Edit
from services.ticketing.tickets.model import Ticket, assign, move, prioritise
from services.ticketing.tickets.views import TicketPatch
from shared.events import DeskFact
from shared.preconditions import check_version


def edit_of(patch: TicketPatch, by: str, expected: int) -> Edit:
    """Return the edit of a patch made for a version of the ticket.

    Raises (when it runs):
        Problem: 412, the ticket has another version.
        BadTransition: the state cannot follow the ticket's.
    """

    def edit(ticket: Ticket, desk: Desk, at: datetime) -> Sequence[DeskFact]:
        check_version(expected, ticket.version)
        told = _assign(ticket, patch, by, at)
        if patch.priority is not None:
            prioritise(ticket, patch.priority, by, at)
        previous = ticket.state
        if patch.state is not None:
            move(ticket, patch.state, by, at, desk)
        if ticket.state != previous:
            told.append(facts.state_changed(ticket, previous, by, at))
        return told

    return edit


def _assign(ticket: Ticket, patch: TicketPatch, by: str, at: datetime) -> list[DeskFact]:
    given = patch.model_fields_set
    assignee = patch.assignee if "assignee" in given else ticket.assignee
    team = patch.team if "team" in given else ticket.team
    if not assign(ticket, by, at, assignee=assignee, team=team):
        return []
    return [facts.assigned(ticket, by, at)]
