"""Hours and days in an account's time zone: every moment lies in exactly one of each, also when clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

Grain = Literal["hour", "day"]

QUARTER_MS = 900_000
"""Time zones differ from UTC by whole quarters of an hour, and change their clocks at whole quarters."""

_QUARTER = timedelta(milliseconds=QUARTER_MS)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)


class Bucket(NamedTuple):
    """An hour or a day of an account.

    A repeated hour (clocks go back) is two buckets, told apart by the offset in their labels.
    """

    grain: Grain
    label: str
    """`2026-11-01`, or `2026-11-01T01:00-04:00`: the local hour with its offset from UTC."""
    day: str
    """The local date it belongs to."""
    start: datetime
    """When it begins, in UTC."""


class Buckets(NamedTuple):
    """Both buckets of a moment."""

    hour: Bucket
    day: Bucket


class OutOfRange(ValueError):
    """A moment before 2000 or after 2999: no event of LINE."""


@lru_cache(maxsize=65_536)
def buckets_of(quarter: int, zone: tzinfo) -> Buckets:
    """Return the buckets of a moment.

    Args:
        quarter: UNIX milliseconds // QUARTER_MS.
        zone: the account's.

    Raises:
        OutOfRange: it is not between the years 2000 and 2999.
    """
    try:
        moment = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise OutOfRange("the time is out of range") from None
    if not EARLIEST <= moment < LATEST:
        raise OutOfRange("the time is not between the years 2000 and 2999")
    local = moment.astimezone(zone)
    return Buckets(_hour(moment, local, zone), day_bucket(local.date(), zone))


def _hour(moment: datetime, local: datetime, zone: tzinfo) -> Bucket:
    offset = local.utcoffset()
    floor = local.replace(minute=0, second=0, microsecond=0, tzinfo=timezone(offset or timedelta()))
    start = floor.astimezone(UTC)
    while start < moment and start.astimezone(zone).utcoffset() != offset:
        start += _QUARTER
    return Bucket("hour", floor.isoformat(timespec="minutes"), local.date().isoformat(), start)


def day_bucket(day: date, zone: tzinfo) -> Bucket:
    """Return the bucket of a local date; where midnight is skipped it begins at the first moment after it."""
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    return Bucket("day", day.isoformat(), day.isoformat(), start)


def buckets_between(first: date, last: date, grain: Grain, zone: tzinfo) -> Iterator[Bucket]:
    """Yield the buckets of local dates, both ends included, in order: days, or their 23, 24 or 25 hours."""
    day = first
    while day <= last:
        following = day + timedelta(days=1)
        if grain == "day":
            yield day_bucket(day, zone)
        else:
            yield from _hours(day_bucket(day, zone).start, day_bucket(following, zone).start, zone)
        day = following


def _hours(start: datetime, end: datetime, zone: tzinfo) -> Iterator[Bucket]:
    seen = ""
    moment = start
    while moment < end:
        hour = buckets_of(int(moment.timestamp() * 1000) // QUARTER_MS, zone).hour
        if hour.label != seen:
            seen = hour.label
            yield hour
        moment += _QUARTER
