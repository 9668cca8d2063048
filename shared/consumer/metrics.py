"""Metrics of a consumer (design §5): no label grows with users; timestamps, not ages."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class ConsumerMetrics:
    """Every metric of one consumer group, by topic."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "consumer_records",
            "Records by outcome: handled, duplicate, erased, dead_letter.",
            ["topic", "outcome"],
            registry=registry,
        )
        self.retries = Counter(
            "consumer_retries", "Handler attempts that failed, by kind of error.", ["kind"], registry=registry
        )
        self.seconds = Histogram(
            "consumer_handler_seconds",
            "Seconds a handler took for one run of records.",
            ["topic"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.unfinished = Gauge(
            "consumer_unfinished_records", "Records taken and not finished.", ["topic"], registry=registry
        )
        self.keys = Gauge("consumer_keys_waiting", "Keys with records waiting or in work.", registry=registry)
        self.oldest = Gauge(
            "consumer_oldest_unfinished_timestamp_seconds",
            "When the oldest unfinished record was written, UNIX time; 0 where none is.",
            ["topic"],
            registry=registry,
        )
        self.lag = Gauge(
            "consumer_lag_records", "Records after the committed offset.", ["topic", "partition"], registry=registry
        )
        self.paused = Gauge("consumer_paused_partitions", "Partitions paused at a cap.", registry=registry)
        self.breaker = Gauge("consumer_breaker_open", "1 while the breaker stops the consumer.", registry=registry)
        self.partitions = Gauge("consumer_assigned_partitions", "Partitions assigned.", registry=registry)
        self.rebalances = Counter(
            "consumer_rebalances", "Times the group gave this member its partitions.", registry=registry
        )
