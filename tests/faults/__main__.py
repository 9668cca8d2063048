"""`python -m tests.faults`: every scenario on a stack of its own, then the named tests; prints the table."""

from __future__ import annotations

import argparse
import asyncio
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
from tests.faults import deaths, repeats, servers
from tests.faults.observer import observing
from tests.faults.runner import Scenario, run
from tests.faults.stage import prepare
from tests.faults.table import Row, as_text, write

SCENARIOS: tuple[Scenario, ...] = (*deaths.SCENARIOS, *servers.SCENARIOS, *repeats.SCENARIOS)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the run of this seed")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="only these scenarios")
    parser.add_argument("--table", type=Path, nargs="*", default=[], help="write the table here too (.json or .md)")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    return parser.parse_args(given)


async def play(stack: Stack, scenarios: Sequence[Scenario], seed: int) -> list[Row]:
    """Play scenarios one after the other on a stack that is up."""
    rows = []
    async with httpx.AsyncClient(timeout=30) as http:
        spine = Spine(stack, read_facts(stack.home.stack_file), http)
        async with observing(spine) as observer:
            await prepare(spine)
            for scenario in scenarios:
                row = await run(scenario, spine, observer, seed)
                rows.append(row)
                print(as_text([row]), f"({row.seconds:.0f} s)", flush=True)
    return rows


def main(given: Sequence[str]) -> int:
    """Run; 0 where nothing was lost, nothing came twice and nothing failed."""
    asked = arguments(given)
    if asked.list:
        print("\n".join(f"{scenario.name:20} {scenario.fault}" for scenario in SCENARIOS))
        return 0
    seed = asked.seed if asked.seed is not None else random.randrange(10**6)
    scenarios = [scenario for scenario in SCENARIOS if not asked.only or scenario.name in asked.only]
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="musubi-faults-"))
    stack = Stack(Home(folder), Progress(), anywhere=True)
    rows: list[Row] = []
    try:
        stack.up(REPLICAS)
        rows = asyncio.run(play(stack, scenarios, seed))
    finally:
        stack.down()
    print(f"\nseed {seed}\n{as_text(rows)}")
    for path in asked.table:
        write(path, rows, seed)
    good = all(row.good for row in rows)
    if good:
        shutil.rmtree(folder)
    else:
        print(f"the logs are kept in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
