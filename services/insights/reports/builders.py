"""Building each report from the counters of its period. Pure; definitions stand in `measures.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from services.insights.counters.buckets import Bucket
from services.insights.counters.store import Browser
from services.insights.reports import model
from services.insights.reports.periods import Period
from services.insights.reports.tables import Table

FRIENDS = ("adds", "blocks", "followed", "unfollowed")
MESSAGES = ("messages_in", "sent_calls", "sent_recipients")
CLICKS = ("clicks",)
BINDINGS = ("bound", "unbound", "link_failed", "followed", "unfollowed")
SOURCES = ("adds", "attributed", "source_hits")
CUMULATIVE = ("followed", "unfollowed", "bound", "unbound")

Fields = dict[str, Any]
"""Fields of an item or of totals; the models check them."""


def when(bucket: Bucket, period: Period) -> Fields:
    """Return what tells a bucket from the others."""
    return {"start": bucket.start.astimezone(period.zone), "label": bucket.label}


def running(period: Period, table: Table, before: Mapping[str, int], gain: str, loss: str) -> Iterator[int]:
    """Yield the level at the end of each bucket: everything gained from the beginning on, less everything lost."""
    level = before[gain] - before[loss]
    for bucket in period.buckets:
        level += table.sum(gain, bucket.label) - table.sum(loss, bucket.label)
        yield level


def latest(levels: Sequence[int], period: Period, now: datetime) -> int | None:
    """Return the level at the end of the period, or now where it has not ended."""
    begun = [level for level, bucket in zip(levels, period.buckets, strict=True) if bucket.start <= now]
    return begun[-1] if begun else None


def _friends(table: Table, label: str | None) -> Fields:
    by = table.by("adds", label)
    return {
        "adds": sum(by.values()),
        "adds_new": by.get("new", 0),
        "adds_unblocked": by.get("unblocked", 0),
        "blocks": table.sum("blocks", label),
    }


def friends(
    period: Period, table: Table, before: Mapping[str, int], now: datetime
) -> tuple[list[model.FriendsItem], model.FriendsTotals]:
    """Build adds and blocks by bucket, and reach at the end of each that has begun."""
    levels = list(running(period, table, before, "followed", "unfollowed"))
    items = [
        model.FriendsItem.model_validate(
            when(bucket, period) | _friends(table, bucket.label) | {"reach": level if bucket.start <= now else None}
        )
        for bucket, level in zip(period.buckets, levels, strict=True)
    ]
    totals = _friends(table, None) | {"reach": latest(levels, period, now)}
    return items, model.FriendsTotals.model_validate(totals)


def _share(bound: int | None, reach: int | None) -> float | None:
    return round(bound / reach, 4) if bound is not None and reach is not None and reach > 0 else None


def bindings(
    period: Period, table: Table, before: Mapping[str, int], now: datetime
) -> tuple[list[model.BindingsItem], model.BindingsTotals]:
    """Build bound and unbound by bucket, bound members and their share of reach at the end of each that has begun."""
    reach = list(running(period, table, before, "followed", "unfollowed"))
    bound = list(running(period, table, before, "bound", "unbound"))
    names = ("bound", "unbound", "link_failed")
    items = []
    for bucket, friends_then, bound_then in zip(period.buckets, reach, bound, strict=True):
        counts: Fields = {name: table.sum(name, bucket.label) for name in names}
        if bucket.start <= now:
            counts |= {"bound_members": bound_then, "bound_share": _share(bound_then, friends_then)}
        items.append(model.BindingsItem.model_validate(when(bucket, period) | counts))
    members = latest(bound, period, now)
    totals: Fields = {name: table.sum(name) for name in names}
    totals |= {"bound_members": members, "bound_share": _share(members, latest(reach, period, now))}
    return items, model.BindingsTotals.model_validate(totals)


def _messages(table: Table, label: str | None) -> Fields:
    kinds = []
    for dimension, value in table.by("messages_in", label).items():
        chat, _, kind = dimension.partition(":")
        kinds.append(model.KindCount(direction="in", chat=chat, kind=kind, count=value))
    recipients = table.by("sent_recipients", label)
    for dimension, value in table.by("sent_calls", label).items():
        api, _, kind = dimension.partition(":")
        count = recipients.get(dimension, 0)
        kinds.append(model.KindCount(direction="out", kind=kind, api=api, count=value, recipients=count))
    received = [kind for kind in kinds if kind.direction == "in"]
    return {
        "received": sum(kind.count for kind in received if kind.chat == "user"),
        "received_in_groups": sum(kind.count for kind in received if kind.chat != "user"),
        "sent_calls": table.sum("sent_calls", label),
        "sent_recipients": table.sum("sent_recipients", label),
        "kinds": kinds,
    }


def messages(period: Period, table: Table) -> tuple[list[model.MessagesItem], model.MessagesTotals]:
    """Build messages in and out by bucket, each broken down by kind."""
    items = [
        model.MessagesItem.model_validate(when(bucket, period) | _messages(table, bucket.label))
        for bucket in period.buckets
    ]
    return items, model.MessagesTotals.model_validate(_messages(table, None))


class _Browsers:
    """Different browsers by (day or all days, link or all links)."""

    def __init__(self, visits: Iterable[Browser]) -> None:
        self._seen: dict[tuple[str | None, str | None], set[str]] = defaultdict(set)
        for link, day, browser in visits:
            for key in ((day, link), (day, None), (None, link), (None, None)):
                self._seen[key].add(browser)

    def count(self, day: str | None = None, link: str | None = None) -> int:
        """Return how many different browsers came."""
        return len(self._seen.get((day, link), ()))


def link_clicks(counts: Mapping[str, int]) -> list[model.LinkClicks]:
    """Return the clicks of each link, by its name."""
    found: dict[str, dict[str, int]] = {}
    for dimension, value in counts.items():
        who, _, link = dimension.partition(":")
        found.setdefault(link, {"person": 0, "robot": 0})[who] = value
    return [
        model.LinkClicks(link=link, clicks=by["person"], robot_clicks=by["robot"]) for link, by in sorted(found.items())
    ]


def _clicks(table: Table, label: str | None, browsers: _Browsers | None) -> Fields:
    links = [
        model.LinkCount(**dict(link), browsers=browsers.count(label, link.link) if browsers else None)
        for link in link_clicks(table.by("clicks", label))
    ]
    return {
        "clicks": sum(link.clicks for link in links),
        "robot_clicks": sum(link.robot_clicks for link in links),
        "browsers": browsers.count(label) if browsers else None,
        "links": links,
    }


def clicks(
    period: Period, table: Table, visits: Iterable[Browser]
) -> tuple[list[model.ClicksItem], model.ClicksTotals]:
    """Build clicks by bucket and link; browsers by day and over the period, not by hour."""
    browsers = _Browsers(visits)
    by_bucket = browsers if period.grain == "day" else None
    items = [
        model.ClicksItem.model_validate(when(bucket, period) | _clicks(table, bucket.label, by_bucket))
        for bucket in period.buckets
    ]
    return items, model.ClicksTotals.model_validate(_clicks(table, None, browsers))


def _sources(table: Table, label: str | None) -> Fields:
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for dimension, value in table.by("attributed", label).items():
        basis, _, source = dimension.partition(":")
        found[source]["attributed"] += value
        if basis == "estimated":
            found[source]["attributed_estimated"] += value
    for dimension, value in table.by("source_hits", label).items():
        who, _, source = dimension.partition(":")
        if who == "person":
            found[source]["source_hits"] += value
    sources = [model.SourceCount(source=source, **counts) for source, counts in sorted(found.items())]
    adds = table.sum("adds", label)
    attributed = sum(source.attributed for source in sources)
    return {
        "adds": adds,
        "attributed": attributed,
        "unknown": max(0, adds - attributed),
        "source_hits": sum(source.source_hits for source in sources),
        "sources": sources,
    }


def sources(period: Period, table: Table) -> tuple[list[model.SourcesItem], model.SourcesTotals]:
    """Build adds by add-friend source, by bucket."""
    items = [
        model.SourcesItem.model_validate(when(bucket, period) | _sources(table, bucket.label))
        for bucket in period.buckets
    ]
    return items, model.SourcesTotals.model_validate(_sources(table, None))
