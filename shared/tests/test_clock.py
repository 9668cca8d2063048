"""The clock: UTC inside, LINE's milliseconds and RFC 3339 at the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.clock import from_millis, monotonic, rfc3339, to_millis, utcnow

MILLIS = st.integers(0, 4_102_444_800_000)


@given(MILLIS)
def test_lines_milliseconds_come_back(millis: int) -> None:
    assert to_millis(from_millis(millis)) == millis
    assert from_millis(millis).utcoffset() == timedelta(0)


@given(MILLIS)
def test_rfc3339_keeps_milliseconds(millis: int) -> None:
    assert to_millis(datetime.fromisoformat(rfc3339(from_millis(millis)))) == millis


def test_rfc3339_names_the_offset() -> None:
    taipei = timezone(timedelta(hours=8))

    assert rfc3339(datetime(2026, 8, 1, 12, tzinfo=UTC)) == "2026-08-01T12:00:00.000Z"
    assert rfc3339(datetime(2026, 8, 1, 12, tzinfo=taipei)) == "2026-08-01T12:00:00.000+08:00"


def test_now_is_aware_and_the_other_clock_never_goes_back() -> None:
    assert utcnow().tzinfo is UTC
    assert monotonic() <= monotonic()
