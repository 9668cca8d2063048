"""Metrics of the calls to LINE; no label grows with users."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram


class LineMetrics:
    """Every metric of a LINE client."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter(
            "line_calls",
            "Calls to LINE by outcome: accepted, duplicate, absent, rejected, rate_limited, quota_exhausted, busy, "
            "unauthorised, unknown.",
            ["api", "outcome"],
            registry=registry,
        )
        self.retries = Counter("line_retries", "Attempts after a call's first.", ["api"], registry=registry)
        self.seconds = Histogram(
            "line_call_seconds",
            "Seconds from a call's first attempt to its outcome, retries included.",
            ["api"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
