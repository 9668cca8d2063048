"""The shape of reports: an envelope with sources and as-of times, zero-filled buckets, totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from services.insights.counters.buckets import Grain
from services.insights.reports.measures import MEASURES
from services.insights.reports.periods import Period


class Model(BaseModel):
    """What every part of a report shares."""

    model_config = ConfigDict(frozen=True)


class Origin(Model):
    """Where a number comes from, and the time of the newest event counted in it (null: none yet)."""

    source: str
    as_of: datetime | None


class BucketItem(Model):
    """An hour or a day of the account. `start` has the account's offset; a repeated hour has two labels."""

    start: datetime
    label: str


class FriendsTotals(Model):
    """Friends over a period; `reach` is null for a bucket that has not begun."""

    adds: int = 0
    adds_new: int = 0
    adds_unblocked: int = 0
    blocks: int = 0
    reach: int | None = None


class FriendsItem(FriendsTotals, BucketItem):
    """Friends in a bucket."""


class KindCount(Model):
    """Messages of one kind. In: `count` is messages. Out: calls accepted, and their recipients."""

    direction: str
    chat: str | None = None
    kind: str
    api: str | None = None
    count: int = 0
    recipients: int | None = None


class MessagesTotals(Model):
    """Messages over a period, and the same by kind."""

    received: int = 0
    received_in_groups: int = 0
    sent_calls: int = 0
    sent_recipients: int = 0
    kinds: list[KindCount] = []


class MessagesItem(MessagesTotals, BucketItem):
    """Messages in a bucket."""


class LinkClicks(Model):
    """Clicks of one link by people, and by robots."""

    link: str
    clicks: int = 0
    robot_clicks: int = 0


class LinkCount(LinkClicks):
    """Clicks of one link in a time; `browsers` is null by hour, since browsers are told apart by day."""

    browsers: int | None = None


class ClicksTotals(Model):
    """Clicks over a period, and the same by link; the links' clicks sum up to the total, their browsers need not."""

    clicks: int = 0
    robot_clicks: int = 0
    browsers: int | None = None
    links: list[LinkCount] = []


class ClicksItem(ClicksTotals, BucketItem):
    """Clicks in a bucket."""


class BindingsTotals(Model):
    """Bindings over a period; `bound_members` and `bound_share` as at its end."""

    bound: int = 0
    unbound: int = 0
    link_failed: int = 0
    bound_members: int | None = None
    bound_share: float | None = None


class BindingsItem(BindingsTotals, BucketItem):
    """Bindings in a bucket."""


class SourceCount(Model):
    """One add-friend source: follows joined to it, of them estimated ones, and visits of its address."""

    source: str
    attributed: int = 0
    attributed_estimated: int = 0
    source_hits: int = 0


class SourcesTotals(Model):
    """Adds by source over a period."""

    adds: int = 0
    attributed: int = 0
    unknown: int = 0
    source_hits: int = 0
    sources: list[SourceCount] = []


class SourcesItem(SourcesTotals, BucketItem):
    """Adds by source in a bucket."""


class SummaryItem(Model):
    """One number of the period, with what it means."""

    measure: str
    value: int | float | None
    source: str
    as_of: datetime | None
    definition: str


class SummaryTotals(Model):
    """What arrived in the period, by topic and type: every record counted is in exactly one of them."""

    events: dict[str, int] = {}


ItemT = TypeVar("ItemT", bound=Model)
TotalsT = TypeVar("TotalsT", bound=Model)


class Report(Model, Generic[ItemT, TotalsT]):
    """A report. `as_of` is the time of the newest event counted in it; `sources` says it for each number."""

    channel: str
    timezone: str
    grain: Grain
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    as_of: datetime | None
    generated_at: datetime
    items: list[ItemT]
    totals: TotalsT
    sources: dict[str, Origin]


def origins(measures: Iterable[str], newest: Mapping[str, datetime], period: Period) -> dict[str, Origin]:
    """Return where each measure comes from and up to when it is counted, in the account's zone."""
    found = {}
    for name in measures:
        at = newest.get(MEASURES[name].topic)
        found[name] = Origin(source=MEASURES[name].source, as_of=at.astimezone(period.zone) if at else None)
    return found


def newest_of(sources: Mapping[str, Origin]) -> datetime | None:
    """Return the newest as-of time of several sources."""
    return max((origin.as_of for origin in sources.values() if origin.as_of), default=None)
