"""What ingest counts: by route, status, event type and account, never by person."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

KNOWN_TYPES = (
    *("message", "messageEdited", "unsend", "follow", "unfollow", "join", "leave", "memberJoined", "memberLeft"),
    *("postback", "videoPlayComplete", "beacon", "accountLink", "membership", "delivery"),
    *("module", "activated", "deactivated", "botSuspended", "botResumed"),
)
"""LINE's event types; any other is counted as `other`, for a label must not grow with what strangers send."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5)


class IngestMetrics:
    """The metrics, with their children kept: `labels()` costs three times an increment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "http_request_seconds", "Time to answer.", ["route", "method"], buckets=SECONDS, registry=registry
        )
        self._events = Counter("webhook_events", "Events published, by LINE's type.", ["type"], registry=registry)
        self._types = {name: self._events.labels(name) for name in (*KNOWN_TYPES, "other")}
        self.webhook_bytes = Counter("webhook_bytes", "Bytes of verified webhook bodies.", registry=registry)
        self.late_events = Counter("webhook_late_events", "Events over 7 days old.", registry=registry)
        self.in_flight = Gauge("http_requests_in_flight", "Requests being answered.", registry=registry)
        self.previous_secret = Counter(
            "webhook_previous_secret_uses", "Webhooks signed with the previous secret.", ["channel"], registry=registry
        )
        self.clicks_lost = Counter("clicks_lost", "Clicks redirected but not recorded.", registry=registry)
        self.source_hits_lost = Counter("source_hits_lost", "Source hits not recorded.", registry=registry)
        self.reload_failures = Counter("channels_reload_failures", "Refused changes of the file.", registry=registry)
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._seconds_children: dict[tuple[str, str], Histogram] = {}

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. `route` and `method` must come from a fixed set."""
        counter = self._request_children.get((route, method, status))
        if counter is None:
            counter = self._requests.labels(route, method, str(status))
            self._request_children[(route, method, status)] = counter
        counter.inc()
        histogram = self._seconds_children.get((route, method))
        if histogram is None:
            histogram = self._seconds_children[(route, method)] = self._seconds.labels(route, method)
        histogram.observe(seconds)

    def published(self, event_type: str) -> None:
        """Count an event that the broker has."""
        (self._types.get(event_type) or self._types["other"]).inc()
