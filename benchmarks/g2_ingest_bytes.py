"""G2: ingest's CPU for a KiB of body, in bodies of 4, 32 and 256 KiB: at the largest ÷ at the smallest."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.growth import grown
from benchmarks.ingest import ingest
from benchmarks.load.generators import saturate
from benchmarks.load.webhooks import write_requests
from benchmarks.measure import Outcome, Sample

SIZES = (4, 32, 256)
SECONDS = 2.0
KIB = 1024

GOAL = Goal(
    "G2", "growth: ingest CPU a KiB, bodies of 256 KiB ÷ of 4 KiB", seen="–", good=1.5, very_good=1.0, cost=True
)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    cores = bench.cores
    with ingest(bench) as server:
        requests = {size: write_requests(bench.folder, 1, server.port, text="x" * (size * KIB)) for size in SIZES}

        def measure(size: int) -> Sample:
            sample = saturate(server, requests[size], min(SECONDS, bench.seconds), cores.others)
            return replace(sample, items=sample.items * size)

        measure(SIZES[0])
        return grown(SIZES, measure, bench.rounds, name="KiB a body", item="KiB")


BENCHMARK = Benchmark(GOAL, run)
