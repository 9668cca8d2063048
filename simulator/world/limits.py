"""What LINE counts against an account: rates, the month's quota, retry keys, aggregation units."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

LINE_ZONE = timezone(timedelta(hours=9))
"""LINE's own daily figures are in UTC+9."""

RETRY_KEY_SECONDS = 24 * 3600
UNITS_PER_MONTH = 1000


def line_day(now: float) -> str:
    """Return LINE's date, `yyyyMMdd` in UTC+9."""
    return datetime.fromtimestamp(now, LINE_ZONE).strftime("%Y%m%d")


def month_of(now: float) -> str:
    """Return the calendar month that quota and units are counted in (UTC+9)."""
    return line_day(now)[:6]


class TokenBucket:
    """LINE: limits are token buckets per channel and endpoint; the bucket's size is undisclosed, here one period."""

    __slots__ = ("_at", "_now", "_size", "_tokens", "per_second")

    def __init__(self, count: float, seconds: float, now: Callable[[], float]) -> None:
        self.per_second = count / seconds
        self._size = max(1.0, count)
        self._tokens = self._size
        self._now = now
        self._at = now()

    def take(self) -> bool:
        """Take one token; False when there is none."""
        now = self._now()
        self._tokens = min(self._size, self._tokens + max(0.0, now - self._at) * self.per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RateLimits:
    """The buckets of one account."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, endpoint: str, count: float, seconds: float, factor: float) -> bool:
        """Take one token of an endpoint whose limit is `count` per `seconds`; a factor of 0 means no limit."""
        if not factor:
            return True
        bucket = self._buckets.get(endpoint)
        if bucket is None:
            bucket = self._buckets[endpoint] = TokenBucket(count * factor, seconds, self._now)
        return bucket.take()

    def clear(self) -> None:
        """Fill every bucket again."""
        self._buckets.clear()


class Quota:
    """The month's messages: LINE counts people reached, whatever the number of message objects."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.limit: int | None = None
        self.reserved = 0
        self._used: Counter[str] = Counter()

    @property
    def used(self) -> int:
        """People reached this month."""
        return self._used[month_of(self._now())]

    @used.setter
    def used(self, value: int) -> None:
        self._used[month_of(self._now())] = value

    @property
    def left(self) -> float:
        """How many people may still be reached; infinite without a limit."""
        return math.inf if self.limit is None else max(0, self.limit - self.used - self.reserved)

    def allows(self, people: int) -> bool:
        """Whether that many more people may be reached this month."""
        return not people or people <= self.left

    def count(self, people: int) -> None:
        """Count people that were reached."""
        self._used[month_of(self._now())] += people


class RetryKeys:
    """Accepted retry keys, each remembered 24 h from the first request."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._known: dict[str, tuple[float, str, list[dict[str, str]] | None]] = {}

    def find(self, key: str) -> tuple[str, list[dict[str, str]] | None] | None:
        """Return the accepted request's id and, for push, its sent messages; None for a key not accepted."""
        self._forget_old()
        known = self._known.get(key)
        return None if known is None else (known[1], known[2])

    def accept(self, key: str, request_id: str, sent: list[dict[str, str]] | None) -> None:
        """Remember a key whose request was accepted."""
        self._known[key] = (self._now(), request_id, sent)

    def _forget_old(self) -> None:
        oldest = self._now() - RETRY_KEY_SECONDS
        while self._known:
            key = next(iter(self._known))
            if self._known[key][0] > oldest:
                return
            del self._known[key]


class AggregationUnits:
    """Names in `customAggregationUnits`: the 1,001st new name of a month is silently not assigned."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_month: dict[str, dict[str, int]] = {}

    def assign(self, name: str, people: int) -> bool:
        """Count people under a name; False when the month's names are used up."""
        units = self._by_month.setdefault(month_of(self._now()), {})
        if name not in units and len(units) >= UNITS_PER_MONTH:
            return False
        units[name] = units.get(name, 0) + people
        return True

    def names(self) -> list[str]:
        """Return this month's names in order of first use."""
        return list(self._by_month.get(month_of(self._now()), {}))


class DayCounts:
    """Daily counters in LINE's days: messages by API, adds and blocks."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._days: dict[str, Counter[str]] = {}

    def add(self, what: str, count: int = 1) -> None:
        """Count something today."""
        self._days.setdefault(line_day(self._now()), Counter())[what] += count

    def on(self, day: str) -> Counter[str]:
        """Return the counters of a day (`yyyyMMdd`)."""
        return self._days.get(day, Counter())

    def until(self, day: str, what: str) -> int:
        """Return the sum of a counter up to and including a day."""
        return sum(counts[what] for each, counts in self._days.items() if each <= day)


def iso_utc(moment: float) -> str:
    """Format a UNIX time as LINE does for narrowcast times: ISO 8601, UTC, milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown_quota(quota: Quota) -> dict[str, Any]:
    """Return the quota as `GET /v2/bot/message/quota` shows it."""
    return {"type": "none"} if quota.limit is None else {"type": "limited", "value": quota.limit}
