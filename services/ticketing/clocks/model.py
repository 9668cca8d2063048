"""How much working time passes between two moments, and when so much of it will have passed: pure rules (features F69).

Hours are wall times of the account's zone. A wall time that the clock skips in spring counts as the same time after the
jump, one that comes twice in autumn as its first (RFC 5545); so that neighbouring periods adjoin and none counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Literal

MINUTES_A_DAY = 24 * 60
HORIZON = timedelta(days=800)
"""How far ahead a due time is looked for: beyond it a desk counts as closed for good."""

TargetName = Literal["first_response", "resolution"]
Priority = Literal["low", "normal", "high", "urgent"]


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a day in minutes after its midnight, the end not included; 1440 ends with the day."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= MINUTES_A_DAY:
            raise ValueError("a period starts before it ends, both within one day")


WHOLE_DAY = (Period(0, MINUTES_A_DAY),)
Week = tuple[tuple[Period, ...], ...]
"""The periods of each weekday, Monday first, in their order; empty where the desk never closes but on holidays."""


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When a desk works. Without hours it is all the time, without holidays there are none."""

    zone: tzinfo = UTC
    week: Week = ()
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.week and len(self.week) != 7:
            raise ValueError("a week has seven days")
        for periods in self.week:
            if any(later.start < earlier.end for earlier, later in pairwise(periods)):
                raise ValueError("the periods of a day follow each other and do not overlap")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time from one moment to another; zero where the second is not later."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        worked = timedelta()
        for opens, closes in self._periods(start, end):
            worked += max(min(closes, end) - max(opens, start), timedelta())
        return worked

    def after(self, start: datetime, worked: timedelta) -> datetime | None:
        """Return the first moment at which so much working time has passed since `start`, in UTC.

        None where that is not within the next 800 days.
        """
        if worked <= timedelta():
            return start
        start, left = start.astimezone(UTC), worked
        for opens, closes in self._periods(start, start + HORIZON):
            begins = max(opens, start)
            if closes - begins >= left:
                return begins + left
            left -= max(closes - begins, timedelta())
        return None

    def _periods(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the periods, in UTC, that may touch what lies between two moments, one after the other."""
        if not self.week and not self.holidays:
            yield start, end
            return
        day = start.astimezone(self.zone).date() - timedelta(days=1)
        last = end.astimezone(self.zone).date()
        closed = datetime.min.replace(tzinfo=UTC)
        while day <= last:
            for period in self._on(day):
                opens = max(self._moment(day, period.start), closed)
                closed = max(self._moment(day, period.end), closed)
                yield opens, closed
            day += timedelta(days=1)

    def _on(self, day: date) -> tuple[Period, ...]:
        if day in self.holidays:
            return ()
        return self.week[day.weekday()] if self.week else WHOLE_DAY

    def _moment(self, day: date, minutes: int) -> datetime:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone follows, after adding wall time
        return (midnight + timedelta(minutes=minutes)).replace(tzinfo=self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Working time counted so far, and since when it goes on being counted; `since` None: it stands."""

    worked: timedelta = timedelta()
    since: datetime | None = None

    def reading(self, hours: WorkingTime, at: datetime) -> timedelta:
        """Return the working time it shows at a moment."""
        return self.worked if self.since is None else self.worked + hours.between(self.since, at)

    def stopped(self, hours: WorkingTime, at: datetime) -> Stopwatch:
        """Return it standing from a moment on; one that stands is left as it is."""
        return Stopwatch(self.reading(hours, at))

    def started(self, at: datetime) -> Stopwatch:
        """Return it going from a moment on; one that goes is left as it is."""
        return self if self.since is not None else replace(self, since=at)

    def reaches(self, hours: WorkingTime, target: timedelta) -> datetime | None:
        """Return when it will show the target, or did since it was last started; None while it stands."""
        return None if self.since is None else hours.after(self.since, target - self.worked)


Targets = Mapping[Priority, Mapping[TargetName, timedelta]]
"""By priority: within how much working time the first response and the resolution are due."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The hours and targets of an account; a desk nobody configured works all the time and has no targets."""

    hours: WorkingTime = WorkingTime()
    targets: Targets = field(default_factory=dict)

    def target(self, priority: Priority, name: TargetName) -> timedelta | None:
        """Return a target for tickets of a priority, None where there is none."""
        return self.targets.get(priority, {}).get(name)
