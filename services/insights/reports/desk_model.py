"""The shape of the tickets report."""

from __future__ import annotations

from pydantic import Field

from services.insights.reports.model import BucketItem, Model


class Spans(Model):
    """How long something took, in seconds; null where it never happened. Median and 90th percentile are estimates."""

    count: int = 0
    mean_seconds: float | None = None
    median_seconds: float | None = None
    p90_seconds: float | None = None


class KindTickets(Model):
    """Tickets of one kind."""

    kind: str
    opened: int = 0
    closed: int = 0
    cancelled: int = 0


class Assigned(Model):
    """How often tickets were given to a team or person; null is nobody."""

    to: str | None
    count: int = 0


class TicketsTotals(Model):
    """The desk over a period; `open_…` as at its end, null for a bucket that has not begun."""

    tickets_opened: int = 0
    tickets_closed: int = 0
    tickets_cancelled: int = 0
    open_tickets: int | None = None
    tickets_assigned: int = 0
    first_response_breaches: int = 0
    resolution_breaches: int = 0
    first_response: Spans = Spans()
    resolution: Spans = Spans()
    conversations_opened: int = 0
    conversations_closed: int = 0
    open_conversations: int | None = None
    conversation_first_response: Spans = Spans()
    conversation_resolution: Spans = Spans()
    kinds: list[KindTickets] = Field(default_factory=list)
    teams: list[Assigned] = Field(default_factory=list)
    assignees: list[Assigned] = Field(default_factory=list)


class TicketsItem(TicketsTotals, BucketItem):
    """The desk in a bucket."""
