"""Which counters each report is read from, and how it is built of them: one row a report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.insights.counters.store import Browser, MongoCounters
from services.insights.reports import builders, desk, model
from services.insights.reports.desk_model import TicketsItem, TicketsTotals
from services.insights.reports.measures import MEASURES
from services.insights.reports.periods import Period
from services.insights.reports.summary import summary
from services.insights.reports.tables import Table

LEVELS = (*builders.CUMULATIVE, *desk.CUMULATIVE)
SUMMARY = (
    *(*builders.FRIENDS, *builders.MESSAGES, *builders.CLICKS, *builders.BINDINGS, *builders.SOURCES),
    *(*desk.TICKETS, "page_views", "events"),
)


@dataclass(frozen=True)
class Reading:
    """What is read of the counters for one report of an account."""

    channel: str
    period: Period
    now: datetime
    newest: dict[str, datetime]
    """Up to when each topic is counted: read first, so that the counters may be newer than it says, never older."""
    counters: MongoCounters

    async def table(self, metrics: Collection[str]) -> Table:
        """Read the counters of the period."""
        first, last = self._ends
        found = self.counters.counts(self.channel, metrics, self.period.grain, first, last)
        return Table([count async for count in found])

    async def before(self) -> dict[str, int]:
        """Read what the running levels start from."""
        return await self.counters.until(self.channel, LEVELS, self._ends[0])

    async def visits(self) -> list[Browser]:
        """Read which browsers opened which links."""
        first, last = self._ends
        return [visit async for visit in self.counters.browsers(self.channel, first, last)]

    @property
    def _ends(self) -> tuple[str, str]:
        return self.period.first.isoformat(), self.period.last.isoformat()


Built = tuple[Sequence[model.Model], model.Model]


@dataclass(frozen=True)
class Recipe:
    """A report: its path, what it is for, its shape, and how it is built."""

    name: str
    title: str
    kind: type[model.Report[Any, Any]]
    measures: Collection[str]
    build: Callable[[Reading], Awaitable[Built]]


async def _friends(reading: Reading) -> Built:
    table, before = await reading.table(builders.FRIENDS), await reading.before()
    return builders.friends(reading.period, table, before, reading.now)


async def _messages(reading: Reading) -> Built:
    return builders.messages(reading.period, await reading.table(builders.MESSAGES))


async def _clicks(reading: Reading) -> Built:
    return builders.clicks(reading.period, await reading.table(builders.CLICKS), await reading.visits())


async def _bindings(reading: Reading) -> Built:
    table, before = await reading.table(builders.BINDINGS), await reading.before()
    return builders.bindings(reading.period, table, before, reading.now)


async def _sources(reading: Reading) -> Built:
    return builders.sources(reading.period, await reading.table(builders.SOURCES))


async def _tickets(reading: Reading) -> Built:
    table, before = await reading.table(desk.TICKETS), await reading.before()
    return desk.tickets(reading.period, table, before, reading.now)


async def _summary(reading: Reading) -> Built:
    table, before, visits = await reading.table(SUMMARY), await reading.before(), await reading.visits()
    return summary(reading.period, table, before, visits, reading.newest, reading.now)


def _measures(totals: type[model.Model]) -> list[str]:
    return [name for name in totals.model_fields if name in MEASURES]


RECIPES = (
    Recipe(
        "friends",
        "Adds, blocks and reach",
        model.Report[model.FriendsItem, model.FriendsTotals],
        _measures(model.FriendsTotals),
        _friends,
    ),
    Recipe(
        "messages",
        "Messages in by chat and kind, messages out by API and kind",
        model.Report[model.MessagesItem, model.MessagesTotals],
        _measures(model.MessagesTotals),
        _messages,
    ),
    Recipe(
        "clicks",
        "Clicks by link, robots apart, and different browsers",
        model.Report[model.ClicksItem, model.ClicksTotals],
        _measures(model.ClicksTotals),
        _clicks,
    ),
    Recipe(
        "bindings",
        "Bound and unbound members, and the share of friends who are bound",
        model.Report[model.BindingsItem, model.BindingsTotals],
        _measures(model.BindingsTotals),
        _bindings,
    ),
    Recipe(
        "sources",
        "Adds by add-friend source",
        model.Report[model.SourcesItem, model.SourcesTotals],
        _measures(model.SourcesTotals),
        _sources,
    ),
    Recipe(
        "tickets",
        "Tickets and conversations, how long they took, and who was given them",
        model.Report[TicketsItem, TicketsTotals],
        _measures(TicketsTotals),
        _tickets,
    ),
    Recipe(
        "summary",
        "Every number of the period once, with its definition, and what arrived by topic and type",
        model.Report[model.SummaryItem, model.SummaryTotals],
        [name for name, measure in MEASURES.items() if measure.in_summary],
        _summary,
    ),
)
