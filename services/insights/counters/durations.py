"""How long something took, kept as counts by span: ten spans a power of ten, so that any two of them add up. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

SPANS = tuple(float(round(10 ** (1 + step / 10))) for step in range(56))
"""Upper ends in seconds, from 10 s to about 36 days."""
LONGER = "longer"


def span_of(seconds: float) -> str:
    """Return the name of the span in which a duration lies: its upper end in whole seconds."""
    position = bisect_left(SPANS, seconds)
    return f"{SPANS[position]:.0f}" if position < len(SPANS) else LONGER


def quantile(counts: Mapping[str, int], share: float) -> float | None:
    """Estimate the duration that a share of all were not longer than, as if they lay evenly within their span.

    Args:
        counts: how many lie in each span, by its name.
        share: 0.5 for the median.

    Returns:
        Seconds: off by at most the width of a span, a quarter of the value; None where there is nothing.
    """
    total = sum(counts.values())
    if total == 0:
        return None
    wanted, before, lower = share * total, 0, 0.0
    for upper in SPANS:
        here = counts.get(f"{upper:.0f}", 0)
        if here and before + here >= wanted:
            return round(lower + (upper - lower) * (wanted - before) / here, 1)
        before, lower = before + here, upper
    return SPANS[-1]
