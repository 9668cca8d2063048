"""Ten thousand schedules of crashes, zombies, rebalances and bad servers: nothing lost, nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.many import Tally, find, play_many
from tests.simulation.plants import PLANTS
from tests.simulation.run import play, staged

ROOT = Path(__file__).resolve().parents[2]
SCHEDULES = 10_000
EXERCISED = (
    "commits refused",
    "crashes",
    "drains",
    "line 409",
    "line 429",
    "line 500 after accept",
    "line late",
    "broker late",
    "broker in part",
    "broker unanswered",
    "sessions expired",
    "store late",
    "store unanswered",
    "zombies",
)
FOUND_WITHIN = {
    "commit before effect": 20,
    "marker before effect": 20,
    "commit after revoke": 1000,
    "retry with a new key": 50,
    "check, then insert": 100,
}


@pytest.mark.timeout(600)
def test_no_schedule_loses_doubles_or_reorders_anything() -> None:
    tally = Tally()
    for tally in play_many(0, SCHEDULES):
        assert not tally.failures, f"replay with: python -m tests.simulation --seed {tally.failures[0][0]}"

    assert tally.schedules == SCHEDULES
    assert [name for name in EXERCISED if tally.counts[name] < 10] == []


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_bug_is_found(name: str) -> None:
    found = find(name, FOUND_WITHIN[name])

    assert found is not None, f"{name} was not found within {FOUND_WITHIN[name]} schedules"
    print(f"{name}: found by schedule {found[0]}: {found[1][0]}")


def test_a_seed_is_replayed_exactly() -> None:
    with staged() as stage:
        here = [play(stage, seed).world.digest()[:16] for seed in range(20)]
        again = [play(stage, seed).world.digest()[:16] for seed in reversed(range(20))]
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7"]
    said = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "4711"}, capture_output=True, text=True, check=True
    )

    assert again[::-1] == here
    assert f"trace {here[7]}" in said.stdout
