"""Working time: the rule of features F69, clock changes, and what holds for any hours and moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticketing.clocks.model import Period, Stopwatch, WorkingTime

TAIPEI = ZoneInfo("Asia/Taipei")
NEW_YORK = ZoneInfo("America/New_York")
OFFICE = (Period(9 * 60, 18 * 60),)
WEEKDAYS = (OFFICE,) * 5 + ((), ())


def taipei(day: int, clock: str) -> datetime:
    """A moment of November 2026 (the 6th is a Friday) by Taipei's clocks."""
    hour, _, minute = clock.partition(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=TAIPEI)


CASES = [
    ("over a weekend", WEEKDAYS, (), taipei(6, "17:50"), taipei(9, "9:10"), 20),
    ("within a day", WEEKDAYS, (), taipei(6, "10:00"), taipei(6, "10:45"), 45),
    ("outside the hours", WEEKDAYS, (), taipei(6, "19:00"), taipei(9, "8:00"), 0),
    ("a holiday", WEEKDAYS, (date(2026, 11, 9),), taipei(6, "17:50"), taipei(10, "9:10"), 20),
    ("two periods a day", ((Period(540, 720), Period(780, 1080)),) * 7, (), taipei(6, "11:30"), taipei(6, "13:15"), 45),
    ("past midnight", ((Period(0, 120), Period(1320, 1440)),) * 7, (), taipei(6, "21:00"), taipei(7, "3:00"), 240),
    ("no hours", (), (), taipei(6, "17:50"), taipei(9, "9:10"), 3800),
    ("no hours but a holiday", (), (date(2026, 11, 7),), taipei(6, "23:00"), taipei(8, "1:00"), 120),
    ("backwards", WEEKDAYS, (), taipei(6, "12:00"), taipei(6, "10:00"), 0),
]


@pytest.mark.parametrize(
    ("what", "week", "holidays", "start", "end", "minutes"), CASES, ids=[case[0] for case in CASES]
)
def test_working_minutes(
    what: str,
    week: tuple[tuple[Period, ...], ...],
    holidays: tuple[date, ...],
    start: datetime,
    end: datetime,
    minutes: int,
) -> None:
    hours = WorkingTime(TAIPEI, week, frozenset(holidays))

    assert hours.between(start, end) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("day", "period", "minutes"),
    [
        (date(2026, 3, 8), Period(0, 1440), 23 * 60),
        (date(2026, 11, 1), Period(0, 1440), 25 * 60),
        (date(2026, 3, 8), Period(60, 240), 120),
        (date(2026, 11, 1), Period(0, 180), 240),
        (date(2026, 3, 8), Period(540, 1080), 540),
    ],
)
def test_a_day_on_which_the_clock_changes_has_its_real_length(day: date, period: Period, minutes: int) -> None:
    hours = WorkingTime(NEW_YORK, ((period,),) * 7)
    midnight = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    the_next = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK) + timedelta(days=1)

    assert hours.between(midnight, the_next) == timedelta(minutes=minutes)


def test_periods_that_meet_in_the_hour_that_is_skipped_do_not_count_twice() -> None:
    hours = WorkingTime(NEW_YORK, ((Period(120, 150), Period(180, 240)),) * 7)
    start, end = datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 3, 8, 12, tzinfo=UTC)

    assert hours.between(start, end) == timedelta(hours=1)


def test_a_due_time_is_the_moment_the_last_minute_is_up() -> None:
    hours = WorkingTime(TAIPEI, WEEKDAYS)

    assert hours.after(taipei(6, "17:50"), timedelta(minutes=20)) == taipei(9, "9:10")
    assert hours.after(taipei(6, "17:50"), timedelta(minutes=10)) == taipei(6, "18:00")
    assert hours.after(taipei(6, "17:50"), timedelta()) == taipei(6, "17:50")


def test_a_desk_that_never_opens_has_no_due_time() -> None:
    assert WorkingTime(TAIPEI, ((),) * 7).after(taipei(6, "9:00"), timedelta(minutes=1)) is None


@pytest.mark.parametrize(("start", "end"), [(60, 60), (60, 30), (-1, 5), (0, 1441)])
def test_a_period_is_a_stretch_of_one_day(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="within one day"):
        Period(start, end)


def test_periods_of_a_day_do_not_overlap() -> None:
    with pytest.raises(ValueError, match="do not overlap"):
        WorkingTime(UTC, ((Period(0, 100), Period(99, 200)),) * 7)


def test_a_stopwatch_stands_while_it_is_stopped() -> None:
    hours = WorkingTime(TAIPEI, WEEKDAYS)
    going = Stopwatch().started(taipei(6, "10:00"))
    standing = going.stopped(hours, taipei(6, "11:00"))
    again = standing.started(taipei(6, "15:00"))

    assert standing.reading(hours, taipei(6, "15:00")) == timedelta(hours=1)
    assert again.reading(hours, taipei(6, "15:30")) == timedelta(minutes=90)
    assert again.started(taipei(6, "16:00")) == again
    assert (standing.reaches(hours, timedelta(hours=2)), again.reaches(hours, timedelta(hours=2))) == (
        None,
        taipei(6, "16:00"),
    )


def days() -> st.SearchStrategy[tuple[Period, ...]]:
    """Up to three periods of a day in their order."""
    cuts = st.lists(st.integers(0, 1440), min_size=0, max_size=6, unique=True).map(sorted)
    return cuts.map(lambda found: tuple(Period(a, b) for a, b in zip(found[::2], found[1::2], strict=False)))


def working_times() -> st.SearchStrategy[WorkingTime]:
    """Any hours in zones with and without clock changes; Lord Howe's is half an hour, Cairo's and Havana's at
    midnight."""
    names = ("UTC", "Asia/Taipei", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana")
    week = st.one_of(st.just(()), st.tuples(*([days()] * 7)))
    holidays = st.frozensets(st.dates(date(2026, 3, 1), date(2026, 5, 1)), max_size=5)
    return st.builds(WorkingTime, st.sampled_from(names).map(ZoneInfo), week, holidays)


moments = st.timedeltas(timedelta(), timedelta(days=70)).map(lambda passed: datetime(2026, 3, 1, tzinfo=UTC) + passed)


@given(working_times(), moments, moments, moments)
def test_working_time_adds_up_and_never_passes_the_wall(
    hours: WorkingTime, one: datetime, two: datetime, three: datetime
) -> None:
    start, middle, end = sorted((one, two, three))
    whole = hours.between(start, end)

    assert hours.between(start, middle) + hours.between(middle, end) == whole
    assert timedelta() <= hours.between(start, middle) <= whole <= end - start


@given(working_times(), moments, st.timedeltas(timedelta(), timedelta(days=20)))
def test_a_due_time_is_the_first_moment_with_so_much_working_time(
    hours: WorkingTime, start: datetime, target: timedelta
) -> None:
    due = hours.after(start, target)
    if due is None:
        assert hours.between(start, start + timedelta(days=700)) < target
        return

    assert hours.between(start, due) == target
    if target:
        assert hours.between(start, due - timedelta.resolution) < target
