"""D11: how long a webhook takes at half of the most that ingest takes: 99 of 100, and the worst."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.ingest import WARM_SECONDS, ingest
from benchmarks.load.generators import pace, saturate
from benchmarks.load.webhooks import write_requests
from benchmarks.measure import Contender, Outcome

GOAL = Goal(
    "D11",
    "webhook p99 at half of max load (worst below 1.5 s)",
    seen="11–70 at full load",
    good=50,
    very_good=15,
    unit="ms",
)


def run(bench: Bench) -> Outcome:
    """Find the most in every round, then send half of it at a fixed pace: the load must not wait for the answers."""
    cores = bench.cores
    most, half = [], []
    with ingest(bench) as server:
        requests = write_requests(bench.folder, 1, server.port)
        saturate(server, requests, min(WARM_SECONDS, bench.seconds), cores.others)
        for _ in range(bench.rounds):
            most.append(saturate(server, requests, bench.seconds, cores.others))
            half.append(pace(server, requests, bench.seconds, cores.others, most[-1].rate / 2))
    p99 = [sample.notes["p99_ms"] for sample in half]
    rounds = [
        {"most_rate": full.rate, "rate": sample.rate, "cpu_us": sample.cpu_us, **sample.notes}
        for full, sample in zip(most, half, strict=True)
    ]
    return Outcome(
        median(p99),
        min(p99),
        max(p99),
        Contender.of("ingest", half),
        None,
        rounds,
        {"item": "request", "worst_ms": max(sample.notes["worst_ms"] for sample in half)},
    )


BENCHMARK = Benchmark(GOAL, run)
