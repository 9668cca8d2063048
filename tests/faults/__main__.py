"""Faults on real processes and servers: `python -m tests.faults` plays every scenario on a stack of its own, runs the
tests that the catalogue names, and prints what was lost and what came twice. Status 1 where that is not 0."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from deploy.local.paths import Home
from deploy.local.progress import Progress
from deploy.local.stack import Stack
from shared.testing.spine import Spine, read_facts
from shared.testing.stack import REPLICAS
from tests.faults import cluster, crash_points, deaths, repeats, servers
from tests.faults.catalogue import CASES, TESTS
from tests.faults.named import FAILED, MISSING, run_named
from tests.faults.observer import observing
from tests.faults.runner import Scenario, run
from tests.faults.soak import soak
from tests.faults.stage import prepare
from tests.faults.table import Named, Row, as_text, in_a_line, named_as_text, write

SCENARIOS: tuple[Scenario, ...] = (
    *deaths.SCENARIOS,
    *servers.SCENARIOS,
    *repeats.SCENARIOS,
    *crash_points.SCENARIOS,
    *cluster.SCENARIOS,
)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--seed", type=int, help="repeat the run of this seed")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"only these of: {', '.join(names)}")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="anything at random for so long, nothing else")
    parser.add_argument("--table", type=Path, nargs="+", default=[], help="write the tables here too (.json or .md)")
    if foreign := [name for name in ("KAFKA_URL", "MONGO_URL") if os.environ.get(name)]:
        parser.error(f"{' and '.join(foreign)} is set: servers are stopped and killed here, so they must be its own")
    return parser.parse_args(given)


def play_all(scenarios: Sequence[Scenario], seed: int) -> list[Row]:
    """Play scenarios on a stack of their own, those of three brokers on another; logs stay where something failed."""
    folder = Path(tempfile.mkdtemp(prefix="musubi-faults-"))
    usual = [scenario for scenario in scenarios if scenario not in cluster.SCENARIOS]
    others = [scenario for scenario in scenarios if scenario in cluster.SCENARIOS]
    rows: list[Row] = []
    try:
        if usual:
            rows += play_on_a_stack(folder / "stack", usual, seed)
        if others:
            with cluster.running_cluster(folder / "brokers") as brokers, cluster.as_given(brokers):
                rows += play_on_a_stack(folder / "three", others, seed, brokers)
    finally:
        if len(rows) == len(scenarios) and all(row.good for row in rows):
            shutil.rmtree(folder)
        else:
            _say(f"the logs are kept in {folder}")
    return rows


def play_on_a_stack(
    folder: Path, scenarios: Sequence[Scenario], seed: int, brokers: cluster.Cluster | None = None
) -> list[Row]:
    """Bring a stack up, play scenarios on it one after the other, take it down."""
    stack = Stack(Home(folder), Progress(), anywhere=True)
    try:
        stack.up(REPLICAS)
        return asyncio.run(_play(stack, scenarios, seed, brokers))
    finally:
        stack.down()


async def _play(stack: Stack, scenarios: Sequence[Scenario], seed: int, brokers: cluster.Cluster | None) -> list[Row]:
    rows = []
    async with httpx.AsyncClient(timeout=30) as http:
        spine = Spine(stack, read_facts(stack.home.stack_file), http)
        async with observing(spine) as observer:
            await prepare(spine)
            for scenario in scenarios:
                rows.append(await run(scenario, spine, observer, seed, _say, brokers))
                _say(in_a_line(rows[-1]))
    return rows


def _say(text: str) -> None:
    print(text, flush=True)


def main(given: Sequence[str]) -> int:
    """Run; 0 where nothing was lost, nothing came twice and nothing failed."""
    asked = arguments(given)
    seed = asked.seed if asked.seed is not None else random.randrange(10**6)
    scenarios = [soak(asked.soak)] if asked.soak else [s for s in SCENARIOS if not asked.only or s.name in asked.only]
    _say(f"seed {seed}")
    rows = play_all(scenarios, seed)
    named: list[Named] = [] if asked.only or asked.soak else run_named(TESTS)
    _say(f"\nseed {seed}\n\n{as_text(rows)}")
    if named:
        _say(f"\n{named_as_text(named)}\n")
        for case in (case for case in CASES if case.missing):
            _say(f"case {case.number} does not apply yet in one part: {case.missing}")
    for path in asked.table:
        write(path, rows, named, seed)
    good = all(row.good for row in rows) and not any(test.outcome in {FAILED, MISSING} for test in named)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
