"""Hours and days of an account's zone: each moment in exactly one of each, also when clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insights.counters.buckets import QUARTER_MS, Bucket, Grain, OutOfRange, buckets_between, buckets_of

ZONES = (
    *("Asia/Taipei", "America/New_York", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe"),
    *("America/Santiago", "Africa/Cairo", "America/Havana", "Asia/Kolkata", "Pacific/Apia", "UTC"),
)
YEARS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def hour_of(moment: datetime, zone: str) -> Bucket:
    return buckets_of(int(moment.timestamp() * 1000) // QUARTER_MS, ZoneInfo(zone)).hour


def day_of(moment: datetime, zone: str) -> Bucket:
    return buckets_of(int(moment.timestamp() * 1000) // QUARTER_MS, ZoneInfo(zone)).day


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Taipei", date(2026, 11, 1), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("Asia/Kathmandu", date(2026, 11, 1), 24),
    ],
)
def test_a_day_has_23_24_or_25_hours(zone: str, day: date, hours: int) -> None:
    assert len(list(buckets_between(day, day, "hour", ZoneInfo(zone)))) == hours


def test_the_hour_that_comes_twice_is_two_buckets() -> None:
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    second = first + timedelta(hours=1)

    assert hour_of(first, "America/New_York").label == "2026-11-01T01:00-04:00"
    assert hour_of(second, "America/New_York").label == "2026-11-01T01:00-05:00"
    assert day_of(first, "America/New_York") == day_of(second, "America/New_York")


def test_an_hour_cut_by_half_an_hour_of_daylight_saving_keeps_its_own_start() -> None:
    back = datetime(2026, 4, 4, 15, 0, tzinfo=UTC)

    before, after = hour_of(back - timedelta(minutes=1), "Australia/Lord_Howe"), hour_of(back, "Australia/Lord_Howe")

    assert (before.label, before.start) == ("2026-04-05T01:00+11:00", datetime(2026, 4, 4, 14, 0, tzinfo=UTC))
    assert (after.label, after.start) == ("2026-04-05T01:00+10:30", back)


def test_a_day_without_midnight_begins_at_its_first_moment() -> None:
    first = datetime(2026, 9, 6, 4, 0, tzinfo=UTC)

    assert day_of(first, "America/Santiago").start == first
    assert day_of(first - timedelta(minutes=1), "America/Santiago").label == "2026-09-05"


def test_midnight_in_the_account_s_zone_parts_the_days() -> None:
    midnight = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)

    assert day_of(midnight - timedelta(milliseconds=1), "Asia/Taipei").label == "2026-11-20"
    assert day_of(midnight, "Asia/Taipei").label == "2026-11-21"
    assert day_of(midnight, "UTC").label == "2026-11-20"


@given(moment=YEARS, zone=st.sampled_from(ZONES), grain=st.sampled_from(["hour", "day"]))
def test_every_moment_lies_in_exactly_the_bucket_that_counts_it(moment: datetime, zone: str, grain: Grain) -> None:
    day = moment.astimezone(ZoneInfo(zone)).date()
    around = list(buckets_between(day - timedelta(days=1), day + timedelta(days=1), grain, ZoneInfo(zone)))

    counted = hour_of(moment, zone) if grain == "hour" else day_of(moment, zone)

    assert counted in around
    assert counted == [bucket for bucket in around if bucket.start <= moment][-1]
    assert len({bucket.label for bucket in around}) == len(around)
    assert [bucket.start for bucket in around] == sorted(bucket.start for bucket in around)


@pytest.mark.parametrize("millis", [-1, 0, 946_684_799_999, 32_503_680_000_000, 10**20, -(10**20)])
def test_a_time_that_no_event_can_have_is_refused(millis: int) -> None:
    with pytest.raises(OutOfRange):
        buckets_of(millis // QUARTER_MS, ZoneInfo("Asia/Taipei"))
