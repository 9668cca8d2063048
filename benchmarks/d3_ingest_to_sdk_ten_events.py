"""D3: ingest rps ÷ FastAPI echo with LINE's SDK, 10 events, 64 connections."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.ingest import ingest_against
from benchmarks.measure import Outcome

GOAL = Goal("D3", "ingest rps ÷ FastAPI echo with LINE's SDK, 10 events, c64", seen="2.4–3.3", good=3, very_good=6)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return ingest_against(bench, "sdk_echo", events=10)


BENCHMARK = Benchmark(GOAL, run)
