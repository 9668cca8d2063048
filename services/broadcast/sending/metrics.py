"""Metrics of sending; the channel is the only label that grows, with the accounts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class SendingMetrics:
    """Every metric of sending."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.chunks = Counter(
            "sending_chunks",
            "Chunks by what became of a call: accepted, rejected, unknown, empty, again, back, isolated.",
            ["outcome"],
            registry=registry,
        )
        self.recipients = Counter("sending_recipients", "Recipients of accepted chunks.", registry=registry)
        self.pauses = Counter(
            "sending_pauses",
            "Campaigns paused by the sender: quota, unauthorised, errors.",
            ["reason"],
            registry=registry,
        )
        self.seconds = Histogram(
            "sending_chunk_seconds",
            "Seconds from fixing a chunk to its end in the store.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        on = ["channel"]
        self.lead = Gauge("sending_lease_held", "1 while this process sends for the channel.", on, registry=registry)
        self.pace = Gauge("sending_pace_per_second", "Calls a second that are let through.", on, registry=registry)
        self.in_flight = Gauge("sending_in_flight_chunks", "Chunks in this process's hands.", on, registry=registry)
        self.progress = Gauge(
            "sending_progress_timestamp_seconds",
            "When a chunk of the channel last ended in this process, or its work was taken up; 0 where there is none. "
            "Work that stands still shows as an old one.",
            on,
            registry=registry,
        )
