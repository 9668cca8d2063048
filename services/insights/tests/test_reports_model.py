"""Reports from counters: zero-filled buckets, running levels, shares, and CSV that a spreadsheet opens safely."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.insights.counters.buckets import Grain
from services.insights.counters.store import Browser, Count
from services.insights.reports import builders, model
from services.insights.reports.csv import to_csv
from services.insights.reports.measures import MEASURES, SOURCES
from services.insights.reports.periods import BadPeriod, Period, read_period
from services.insights.reports.recipes import RECIPES
from services.insights.reports.tables import Table
from shared.topics import LINE_EVENTS, MEMBER_EVENTS

TAIPEI = ZoneInfo("Asia/Taipei")
NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
NOTHING_BEFORE = dict.fromkeys(builders.CUMULATIVE, 0)
WEEK = Period(date(2026, 11, 19), date(2026, 11, 22), "day", TAIPEI)


def table(*counts: tuple[str, str, str, int]) -> Table:
    return Table(Count(*count) for count in counts)


def test_friends_fill_days_without_events_and_carry_reach_on() -> None:
    found = table(
        ("adds", "new", "2026-11-20", 2),
        ("adds", "unblocked", "2026-11-20", 1),
        ("blocks", "", "2026-11-20", 1),
        ("followed", "", "2026-11-20", 3),
        ("unfollowed", "", "2026-11-20", 1),
    )

    items, totals = builders.friends(WEEK, found, NOTHING_BEFORE | {"followed": 10, "unfollowed": 4}, NOW)

    assert [(item.label, item.adds, item.blocks, item.reach) for item in items] == [
        ("2026-11-19", 0, 0, 6),
        ("2026-11-20", 3, 1, 8),
        ("2026-11-21", 0, 0, 8),
        ("2026-11-22", 0, 0, None),
    ]
    assert (totals.adds, totals.adds_new, totals.adds_unblocked, totals.blocks, totals.reach) == (3, 2, 1, 1, 8)


def test_a_period_that_has_not_begun_has_no_reach() -> None:
    future = Period(date(2026, 12, 1), date(2026, 12, 1), "day", TAIPEI)

    assert builders.friends(future, table(), NOTHING_BEFORE, NOW)[1].reach is None


def test_the_bound_share_is_bound_members_by_reach_and_empty_without_reach() -> None:
    found = table(
        ("followed", "", "2026-11-20", 3), ("bound", "staff", "2026-11-20", 2), ("unbound", "staff", "2026-11-21", 1)
    )

    items, totals = builders.bindings(WEEK, found, NOTHING_BEFORE, NOW)

    assert [item.bound_share for item in items] == [None, 0.6667, 0.3333, None]
    assert (totals.bound, totals.unbound, totals.bound_members, totals.bound_share) == (2, 1, 1, 0.3333)


def test_messages_tell_groups_and_kinds_apart() -> None:
    found = table(
        ("messages_in", "user:text", "2026-11-20", 5),
        ("messages_in", "group:text", "2026-11-20", 2),
        ("messages_in", "room:image", "2026-11-20", 1),
        ("sent_calls", "multicast:campaign", "2026-11-20", 2),
        ("sent_recipients", "multicast:campaign", "2026-11-20", 700),
    )

    _, totals = builders.messages(WEEK, found)

    assert (totals.received, totals.received_in_groups, totals.sent_calls, totals.sent_recipients) == (5, 3, 2, 700)
    assert [(kind.direction, kind.chat, kind.api, kind.kind, kind.count, kind.recipients) for kind in totals.kinds] == [
        ("in", "group", None, "text", 2, None),
        ("in", "room", None, "image", 1, None),
        ("in", "user", None, "text", 5, None),
        ("out", None, "multicast", "campaign", 2, 700),
    ]


def test_the_clicks_of_links_sum_up_and_browsers_count_once_a_day_and_once_a_period() -> None:
    found = table(
        ("clicks", "person:menu", "2026-11-20", 3),
        ("clicks", "person:map", "2026-11-20", 1),
        ("clicks", "robot:menu", "2026-11-20", 4),
        ("clicks", "person:menu", "2026-11-21", 1),
    )
    visits = [
        Browser("menu", "2026-11-20", "b1"),
        Browser("map", "2026-11-20", "b1"),
        Browser("menu", "2026-11-20", "b2"),
        Browser("menu", "2026-11-21", "b1"),
    ]

    items, totals = builders.clicks(WEEK, found, visits)

    assert [(item.clicks, item.robot_clicks, item.browsers) for item in items] == [
        (0, 0, 0),
        (4, 4, 2),
        (1, 0, 1),
        (0, 0, 0),
    ]
    assert (totals.clicks, totals.robot_clicks, totals.browsers) == (5, 4, 2)
    assert [(link.link, link.clicks, link.browsers) for link in totals.links] == [("map", 1, 1), ("menu", 4, 2)]


def test_browsers_are_told_apart_by_day_so_an_hour_has_none() -> None:
    day = Period(date(2026, 11, 20), date(2026, 11, 20), "hour", TAIPEI)

    items, totals = builders.clicks(day, table(), [Browser("menu", "2026-11-20", "b1")])

    assert {item.browsers for item in items} == {None}
    assert totals.browsers == 1


def test_adds_without_a_source_are_unknown_never_under_zero() -> None:
    found = table(
        ("adds", "new", "2026-11-20", 5),
        ("attributed", "liff:poster", "2026-11-20", 2),
        ("attributed", "estimated:poster", "2026-11-20", 1),
        ("attributed", "liff:poster", "2026-11-21", 1),
        ("source_hits", "person:poster", "2026-11-20", 9),
        ("source_hits", "robot:poster", "2026-11-20", 30),
    )

    items, totals = builders.sources(WEEK, found)

    assert [(item.adds, item.attributed, item.unknown) for item in items] == [
        (0, 0, 0),
        (5, 3, 2),
        (0, 1, 0),
        (0, 0, 0),
    ]
    [poster] = totals.sources
    assert (poster.source, poster.attributed, poster.attributed_estimated, poster.source_hits) == ("poster", 4, 1, 9)


def test_a_day_of_25_hours_has_25_items() -> None:
    day = Period(date(2026, 11, 1), date(2026, 11, 1), "hour", NEW_YORK)
    twice = [("messages_in", "user:text", f"2026-11-01T01:00-0{hours}:00", hours) for hours in (4, 5)]

    items, _ = builders.messages(day, table(*twice))

    assert len(items) == 25
    assert [(item.label[11:], item.received) for item in items[1:3]] == [("01:00-04:00", 4), ("01:00-05:00", 5)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_number_of_a_report_has_a_source_and_a_definition(recipe: Any) -> None:
    totals = recipe.kind.model_fields["totals"].annotation
    numbers = {name for name, value in totals().model_dump().items() if not isinstance(value, list | dict)}
    assert numbers <= set(recipe.measures) <= set(MEASURES)
    assert all(MEASURES[name].topic in SOURCES and MEASURES[name].definition for name in recipe.measures)


@pytest.mark.parametrize(
    ("first", "last", "grain", "field"),
    [
        ("2026-13-01", None, "day", "from"),
        ("20261101", None, "day", "from"),
        ("1700000000", None, "day", "from"),
        ("", None, "day", "from"),
        (None, "2026-02-29", "day", "to"),
        (None, "9999-12-31", "day", "to"),
        ("0001-01-01", "2026-11-01", "day", "from"),
        ("2026-11-02", "2026-11-01", "day", "from"),
        ("2025-01-01", "2026-11-01", "day", "from"),
        ("2026-10-01", "2026-11-01", "hour", "from"),
    ],
)
def test_a_wrong_period_names_the_parameter(first: str | None, last: str | None, grain: Grain, field: str) -> None:
    with pytest.raises(BadPeriod) as refused:
        read_period(first, last, grain, TAIPEI, NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, ("2026-11-15", "2026-11-21")),
        ("2026-11-19", None, ("2026-11-19", "2026-11-21")),
        (None, "2026-11-10", ("2026-11-04", "2026-11-10")),
        ("2026-12-24", None, ("2026-12-24", "2026-12-24")),
    ],
)
def test_what_is_left_out_of_a_period_ends_today_in_the_account_s_zone(
    first: str | None, last: str | None, expected: tuple[str, str]
) -> None:
    period = read_period(first, last, "day", TAIPEI, NOW)
    assert (period.first.isoformat(), period.last.isoformat()) == expected


def test_the_longest_periods_pass() -> None:
    assert len(read_period("2025-10-18", "2026-11-21", "day", TAIPEI, NOW).buckets) == 400
    assert len(read_period("2026-10-22", "2026-11-21", "hour", TAIPEI, NOW).buckets) == 31 * 24


def report(items: list[Any], totals: Any, measures: list[str]) -> model.Report[Any, Any]:
    newest = {LINE_EVENTS: NOW, MEMBER_EVENTS: NOW}
    sources = model.origins(measures, newest, WEEK)
    return model.Report[Any, Any](
        channel="shop",
        timezone="Asia/Taipei",
        grain="day",
        first=WEEK.first,
        last=WEEK.last,
        as_of=NOW,
        generated_at=NOW,
        items=items,
        totals=totals,
        sources=sources,
    )


def rows(text: bytes) -> list[dict[str, str]]:
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))


def test_csv_rows_sum_up_to_the_totals_and_carry_source_and_as_of() -> None:
    found = table(("adds", "new", "2026-11-19", 2), ("adds", "new", "2026-11-20", 3), ("followed", "", "2026-11-20", 3))
    items, totals = builders.friends(WEEK, found, NOTHING_BEFORE, NOW)

    read = rows(to_csv(report(items, totals, ["adds", "adds_new", "adds_unblocked", "blocks", "reach"])))

    assert sum(int(row["adds"]) for row in read) == totals.adds == 5
    assert read[0]["start"] == "2026-11-19T00:00:00+08:00"
    assert read[0]["source"] == "line webhook (adds, adds_new, adds_unblocked, blocks); binding (reach)"
    assert {row["as_of"] for row in read} == {"2026-11-21T12:00:00+08:00"}
    assert read[3]["reach"] == ""


def test_csv_of_a_breakdown_has_a_row_an_entry_and_zeros_where_nothing_happened() -> None:
    found = table(("messages_in", "user:text", "2026-11-20", 5), ("sent_calls", "reply:greeting", "2026-11-20", 2))
    items, totals = builders.messages(WEEK, found)

    read = rows(to_csv(report(items, totals, ["received", "received_in_groups", "sent_calls", "sent_recipients"])))

    assert [(row["label"], row["direction"], row["kind"], row["count"], row["source"]) for row in read] == [
        ("2026-11-19", "in", "text", "0", "line webhook"),
        ("2026-11-20", "in", "text", "5", "line webhook"),
        ("2026-11-20", "out", "greeting", "2", "accepted by LINE"),
        ("2026-11-21", "in", "text", "0", "line webhook"),
        ("2026-11-22", "in", "text", "0", "line webhook"),
    ]


def test_csv_of_sources_sums_up_to_the_adds() -> None:
    found = table(("adds", "new", "2026-11-20", 5), ("attributed", "liff:poster", "2026-11-20", 2))
    items, totals = builders.sources(WEEK, found)

    read = rows(to_csv(report(items, totals, ["adds", "attributed", "unknown", "source_hits"])))

    assert sum(int(row["attributed"]) for row in read) == totals.adds
    assert {row["add_friend_source"] for row in read} == {"poster", "(unknown)"}
