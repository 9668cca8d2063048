"""The breaker opens at 20 bad of the last 25 records and stays open (design §12)."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from shared.consumer.breaker import Breaker


@given(st.lists(st.booleans(), max_size=120))
def test_it_opens_when_20_of_the_last_25_were_bad_and_never_closes(outcomes: list[bool]) -> None:
    breaker = Breaker()
    recent: deque[bool] = deque(maxlen=25)
    was_open = False
    for bad in outcomes:
        breaker.note(bad=bad)
        recent.append(bad)
        was_open = was_open or sum(recent) >= 20

        assert breaker.open == was_open


def test_single_bad_records_among_good_ones_never_open_it() -> None:
    breaker = Breaker()
    for _ in range(1000):
        breaker.note(bad=True)
        breaker.note(bad=False)

    assert not breaker.open


def test_a_large_run_of_good_records_counts_as_many() -> None:
    breaker = Breaker()
    breaker.note(bad=True, count=19)
    breaker.note(bad=False, count=10_000)
    breaker.note(bad=True, count=19)

    assert not breaker.open
