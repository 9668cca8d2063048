"""D2: ingest rps ÷ FastAPI echo with LINE's SDK, 1 event, 64 connections."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.ingest import ingest_against
from benchmarks.measure import Outcome

GOAL = Goal("D2", "ingest rps ÷ FastAPI echo with LINE's SDK, 1 event, c64", seen="2.6–4.6", good=2.5, very_good=4)


def run(bench: Bench) -> Outcome:
    """Measure it."""
    return ingest_against(bench, "sdk_echo", events=1)


BENCHMARK = Benchmark(GOAL, run)
