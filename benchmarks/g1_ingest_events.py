"""G1: ingest's CPU for an event in webhooks of 1, 10 and 100 events: at the most ÷ at the fewest."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.growth import grown
from benchmarks.ingest import ingest
from benchmarks.load.generators import saturate
from benchmarks.load.webhooks import write_requests
from benchmarks.measure import Outcome, Sample

SIZES = (1, 10, 100)
SECONDS = 2.0

GOAL = Goal(
    "G1", "growth: ingest CPU an event, 100 a webhook ÷ 1 a webhook", seen="–", good=1.5, very_good=1.0, cost=True
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    cores = bench.cores
    with ingest(bench) as server:
        requests = {size: write_requests(bench.folder, size, server.port) for size in SIZES}

        def measure(size: int) -> Sample:
            sample = saturate(server, requests[size], min(SECONDS, bench.seconds), cores.others)
            return replace(sample, items=sample.items * size)

        measure(SIZES[0])
        return grown(SIZES, measure, bench.rounds, name="events a webhook", item="event")


BENCHMARK = Benchmark(GOAL, run)
