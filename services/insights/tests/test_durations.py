"""Durations by span: what is estimated of them is near what was."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insights.counters.durations import LONGER, SPANS, quantile, span_of


@pytest.mark.parametrize(
    ("seconds", "span"), [(0, "10"), (10, "10"), (10.1, "13"), (60, "63"), (3600, "3981"), (1e9, LONGER)]
)
def test_a_duration_lies_in_the_span_that_it_does_not_pass(seconds: float, span: str) -> None:
    assert span_of(seconds) == span


def test_spans_have_names_of_their_own() -> None:
    assert len({span_of(upper) for upper in SPANS}) == len(SPANS)


@given(st.lists(st.floats(10.5, SPANS[-1]), min_size=1, max_size=50), st.sampled_from([0.5, 0.9]))
def test_an_estimate_is_off_by_a_span_at_most(durations: list[float], share: float) -> None:
    estimate = quantile(Counter(map(span_of, durations)), share)
    assert estimate is not None
    position = max(0, -int(-share * len(durations) // 1) - 1)
    true = sorted(durations)[position]
    assert true / 1.3 <= estimate <= true * 1.3


def test_nothing_has_no_median_and_what_is_longer_than_all_spans_reads_as_the_last() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({LONGER: 3}, 0.5) == SPANS[-1]
