"""What ticket.events add to which numbers.

series                dimension         amount
tickets_opened        kind              1
tickets_ended         state:kind        1, for a ticket that was closed or cancelled
tickets_team          team              1, for an assignment; the dimension is empty for nobody
tickets_assignee      assignee          1
tickets_breached      target            1
conversations_opened                    1
conversations_closed                    1
spans                 clock:span        1, for each duration, by the span in which it lies
span_ms               clock             the duration in milliseconds
"""

from __future__ import annotations

from services.insights.counters.durations import span_of
from services.insights.counters.facts import BareFact, Series, fact_reader
from services.insights.counters.model import Tally
from services.insights.counters.naming import OTHER, Seconds, bounded
from shared import topics

ENDS = frozenset({"closed", "cancelled"})
TARGETS = frozenset({"first_response", "resolution"})
FIRST_RESPONSE, RESOLUTION = "first_response", "resolution"
CONVERSATION_FIRST_RESPONSE, CONVERSATION_RESOLUTION = "conversation_first_response", "conversation_resolution"


class _Fact(BareFact, frozen=True, kw_only=True):
    """The counted fields; absent ones keep their defaults."""

    kind: str = ""
    state: str = ""
    previous: str = ""
    team: str | None = None
    assignee: str | None = None
    target: str = ""
    first_response_seconds: Seconds | None = None
    resolution_seconds: Seconds | None = None


def _lasted(clock: str, seconds: float | None) -> tuple[Tally, ...]:
    if seconds is None:
        return ()
    return (Tally("spans", f"{clock}:{span_of(seconds)}"), Tally("span_ms", clock, round(seconds * 1000)))


def _ticket_assigned(fact: _Fact) -> tuple[Tally, ...]:
    team, assignee = bounded(fact.team or ""), bounded(fact.assignee or "")
    return (Tally("tickets_team", team), Tally("tickets_assignee", assignee))


def _ticket_state_changed(fact: _Fact) -> tuple[Tally, ...]:
    if fact.state not in ENDS or fact.previous in ENDS:
        return ()
    ended = Tally("tickets_ended", f"{fact.state}:{bounded(fact.kind)}")
    return (ended, *_lasted(RESOLUTION, fact.resolution_seconds if fact.state == "closed" else None))


def _conversation_closed(fact: _Fact) -> tuple[Tally, ...]:
    return (
        Tally("conversations_closed"),
        *_lasted(CONVERSATION_FIRST_RESPONSE, fact.first_response_seconds),
        *_lasted(CONVERSATION_RESOLUTION, fact.resolution_seconds),
    )


_SERIES: Series[_Fact] = {
    "conversation_opened": lambda _: (Tally("conversations_opened"),),
    "conversation_closed": _conversation_closed,
    "ticket_opened": lambda fact: (Tally("tickets_opened", bounded(fact.kind)),),
    "ticket_assigned": _ticket_assigned,
    "ticket_replied": lambda fact: _lasted(FIRST_RESPONSE, fact.first_response_seconds),
    "ticket_state_changed": _ticket_state_changed,
    "ticket_breached": lambda fact: (Tally("tickets_breached", fact.target if fact.target in TARGETS else OTHER),),
}

read_desk_event = fact_reader(topics.TICKET_EVENTS, _Fact, _SERIES)
