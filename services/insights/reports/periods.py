"""The span of a report: local dates of an account, checked before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from services.insights.counters.buckets import EARLIEST, LATEST, Bucket, Grain, buckets_between

MOST_DAYS: dict[Grain, int] = {"day": 400, "hour": 31}
DEFAULT_DAYS = 7


class BadPeriod(ValueError):
    """A span that cannot be reported; `field` is the query parameter that is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Period:
    """Local dates, both ends included, cut into hours or days of the account's zone."""

    first: date
    last: date
    grain: Grain
    zone: ZoneInfo

    @cached_property
    def buckets(self) -> Sequence[Bucket]:
        """Every bucket of the period, in order."""
        return tuple(buckets_between(self.first, self.last, self.grain, self.zone))


def read_period(first: str | None, last: str | None, grain: Grain, zone: ZoneInfo, now: datetime) -> Period:
    """Read the query's dates; without them it is the last seven days up to today in the account's zone.

    Raises:
        BadPeriod: a date is malformed or out of range, the ends are the wrong way round, or the span is too long.
    """
    end = _date("to", last) if last is not None else None
    start = _date("from", first) if first is not None else None
    if end is None:
        end = max(now.astimezone(zone).date(), start or date.min)
    if start is None:
        start = end - timedelta(days=DEFAULT_DAYS - 1)
    if start > end:
        raise BadPeriod("from", "must not be after 'to'")
    if (end - start).days >= MOST_DAYS[grain]:
        raise BadPeriod("from", f"at most {MOST_DAYS[grain]} days by {grain} may be asked for at once")
    return Period(start, end, grain, zone)


def _date(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise BadPeriod(field, "must be a date such as 2026-11-30")
    if not EARLIEST.year < day.year < LATEST.year - 1:
        raise BadPeriod(field, f"must be between the years {EARLIEST.year + 1} and {LATEST.year - 2}")
    return day
