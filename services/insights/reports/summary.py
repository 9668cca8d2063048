"""The summary: every number of a period once, with what it means, where it comes from and up to when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from services.insights.counters.store import Browser
from services.insights.reports import builders, desk, model
from services.insights.reports.measures import MEASURES
from services.insights.reports.periods import Period
from services.insights.reports.tables import Table


def summary(
    period: Period,
    table: Table,
    before: Mapping[str, int],
    visits: Iterable[Browser],
    newest: Mapping[str, datetime],
    now: datetime,
) -> tuple[list[model.SummaryItem], model.SummaryTotals]:
    """Build every number of a period, and what arrived in it by topic and type."""
    _, friends = builders.friends(period, table, before, now)
    _, messages = builders.messages(period, table)
    _, clicks = builders.clicks(period, table, visits)
    _, bindings = builders.bindings(period, table, before, now)
    _, sources = builders.sources(period, table)
    _, tickets = desk.tickets(period, table, before, now)
    values: dict[str, int | float | None] = {"page_views": table.sum("page_views")}
    for totals in (friends, messages, clicks, bindings, sources, tickets):
        values |= {name: value for name, value in totals.model_dump().items() if name in MEASURES}
    origins = model.origins(MEASURES, newest, period)
    items = [
        model.SummaryItem(
            measure=name,
            value=values[name],
            source=origins[name].source,
            as_of=origins[name].as_of,
            definition=measure.definition,
        )
        for name, measure in MEASURES.items()
        if measure.in_summary
    ]
    return items, model.SummaryTotals(events=table.by("events"))
