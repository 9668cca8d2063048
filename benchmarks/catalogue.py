"""Every benchmark there is, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import (
    d1_ingest_to_starlette,
    d2_ingest_to_sdk_one_event,
    d3_ingest_to_sdk_ten_events,
    d4_sends_to_sdk,
    d4c_sends_to_concurrent_sdk,
    d5_send_cost,
    d6_pace_through_a_kill,
    d7_insights_to_naive,
    d9_consumer_batches,
    d9k_consumer_keyed,
    d10_keys_to_serial,
    d11_webhook_latency,
    g1_ingest_events,
    g2_ingest_bytes,
    g3_consumer_keys,
    g4_consumer_lag,
    g5_campaign_memory,
    g6_stalled_broker,
)
from benchmarks.goals import Benchmark

ALL: tuple[Benchmark, ...] = (
    d1_ingest_to_starlette.BENCHMARK,
    d2_ingest_to_sdk_one_event.BENCHMARK,
    d3_ingest_to_sdk_ten_events.BENCHMARK,
    d4_sends_to_sdk.BENCHMARK,
    d4c_sends_to_concurrent_sdk.BENCHMARK,
    d5_send_cost.BENCHMARK,
    d6_pace_through_a_kill.BENCHMARK,
    d7_insights_to_naive.BENCHMARK,
    d9_consumer_batches.BENCHMARK,
    d9k_consumer_keyed.BENCHMARK,
    d10_keys_to_serial.BENCHMARK,
    d11_webhook_latency.BENCHMARK,
    g1_ingest_events.BENCHMARK,
    g2_ingest_bytes.BENCHMARK,
    g3_consumer_keys.BENCHMARK,
    g4_consumer_lag.BENCHMARK,
    g5_campaign_memory.BENCHMARK,
    g6_stalled_broker.BENCHMARK,
)
BY_ID = {benchmark.goal.id: benchmark for benchmark in ALL}


class UnknownBenchmark(ValueError):
    """There is no benchmark of that id; the text names those there are."""


def chosen(only: str | None) -> Sequence[Benchmark]:
    """Return those named, with commas between; all where none is.

    Raises:
        UnknownBenchmark: see there.
    """
    if not only:
        return ALL
    wanted = [name.strip().upper() for name in only.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in BY_ID]:
        raise UnknownBenchmark(f"no benchmark {', '.join(unknown)}; there are {', '.join(BY_ID)}")
    return [benchmark for benchmark in ALL if benchmark.goal.id in wanted]
