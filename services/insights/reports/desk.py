"""Building the tickets report from the counters of its period. Pure; definitions stand in `measures.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from services.insights.counters import desk_readings as clocks
from services.insights.counters.durations import quantile
from services.insights.reports.builders import Fields, latest, running, when
from services.insights.reports.desk_model import Assigned, KindTickets, Spans, TicketsItem, TicketsTotals
from services.insights.reports.periods import Period
from services.insights.reports.tables import Table

TICKETS = (
    *("tickets_opened", "tickets_ended", "tickets_team", "tickets_assignee", "tickets_breached"),
    *("conversations_opened", "conversations_closed", "spans", "span_ms"),
)
CUMULATIVE = ("tickets_opened", "tickets_ended", "conversations_opened", "conversations_closed")
CLOCKS = (
    clocks.FIRST_RESPONSE,
    clocks.RESOLUTION,
    clocks.CONVERSATION_FIRST_RESPONSE,
    clocks.CONVERSATION_RESOLUTION,
)


def tickets(
    period: Period, table: Table, before: Mapping[str, int], now: datetime
) -> tuple[list[TicketsItem], TicketsTotals]:
    """Build tickets and conversations by bucket, and how many are open at the end of each that has begun."""
    open_tickets = list(running(period, table, before, "tickets_opened", "tickets_ended"))
    conversations = list(running(period, table, before, "conversations_opened", "conversations_closed"))
    items = []
    for bucket, tickets_then, conversations_then in zip(period.buckets, open_tickets, conversations, strict=True):
        fields = when(bucket, period) | _counts(table, bucket.label)
        if bucket.start <= now:
            fields |= {"open_tickets": tickets_then, "open_conversations": conversations_then}
        items.append(TicketsItem.model_validate(fields))
    levels = {
        "open_tickets": latest(open_tickets, period, now),
        "open_conversations": latest(conversations, period, now),
    }
    return items, TicketsTotals.model_validate(_counts(table, None) | levels)


def _counts(table: Table, label: str | None) -> Fields:
    kinds = _kinds(table, label)
    breached = table.by("tickets_breached", label)
    teams = table.by("tickets_team", label)
    assignees = table.by("tickets_assignee", label)
    return {
        "tickets_opened": sum(kind.opened for kind in kinds),
        "tickets_closed": sum(kind.closed for kind in kinds),
        "tickets_cancelled": sum(kind.cancelled for kind in kinds),
        "kinds": kinds,
        "tickets_assigned": sum(teams.values()),
        "teams": [Assigned(to=to or None, count=count) for to, count in teams.items()],
        "assignees": [Assigned(to=to or None, count=count) for to, count in assignees.items()],
        "first_response_breaches": breached.get("first_response", 0),
        "resolution_breaches": breached.get("resolution", 0),
        "conversations_opened": table.sum("conversations_opened", label),
        "conversations_closed": table.sum("conversations_closed", label),
        **{clock: _spans(table, label, clock) for clock in CLOCKS},
    }


def _kinds(table: Table, label: str | None) -> list[KindTickets]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, count in table.by("tickets_opened", label).items():
        found[kind]["opened"] = count
    for dimension, count in table.by("tickets_ended", label).items():
        state, _, kind = dimension.partition(":")
        found[kind][state] = count
    return [KindTickets(kind=kind, **counts) for kind, counts in sorted(found.items())]


def _spans(table: Table, label: str | None, clock: str) -> Spans:
    counts = {}
    for dimension, count in table.by("spans", label).items():
        name, _, span = dimension.partition(":")
        if name == clock:
            counts[span] = count
    total = sum(counts.values())
    if not total:
        return Spans()
    millis = table.sum("span_ms", label, lambda dimension: dimension == clock)
    return Spans(
        count=total,
        mean_seconds=round(millis / 1000 / total, 1),
        median_seconds=quantile(counts, 0.5),
        p90_seconds=quantile(counts, 0.9),
    )
