"""What a day's runs gave, as JSON: one file a day, a benchmark that runs again replaces its entry."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.goals import Goal
from benchmarks.measure import Contender, Outcome
from deploy.local.paths import CHECKOUT
from shared.clock import rfc3339

FOLDER = Path(__file__).with_name("results")
DIGITS = 4

Entry = Mapping[str, Any]


def entry(goal: Goal, outcome: Outcome, bench: Bench, at: datetime) -> Entry:
    """Return one benchmark's result with all that is needed to judge it."""
    return {
        "title": goal.title,
        "unit": goal.unit,
        "lower_is_better": goal.lower_is_better,
        "value": _rounded(outcome.value),
        "lowest": _rounded(outcome.lowest),
        "highest": _rounded(outcome.highest),
        "good": goal.good,
        "very_good": goal.very_good,
        "verdict": goal.verdict(outcome.value),
        "subject": _contender(outcome.subject),
        "yardstick": _contender(outcome.yardstick) if outcome.yardstick else None,
        "notes": {name: _rounded(value) for name, value in outcome.notes.items()},
        "rounds": [{name: _rounded(value) for name, value in each.items()} for each in outcome.rounds],
        "seconds_a_round": bench.seconds,
        "measured_at": rfc3339(at),
        "commit": _commit(),
        "machine": _machine(bench),
    }


def save(folder: Path, day: str, found: Mapping[str, Entry]) -> Path:
    """Add results by id to the file of a day (`2026-11-23`) and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{day}.json"
    written: dict[str, Entry] = json.loads(path.read_text()) if path.is_file() else {}
    text = json.dumps({**written, **found}, indent=2, ensure_ascii=False)
    partly = path.with_suffix(".json.tmp")
    partly.write_text(text + "\n", encoding="utf-8")
    partly.replace(path)
    return path


def read(path: Path) -> dict[str, Entry]:
    """Return a day's results by id."""
    found: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _contender(contender: Contender) -> Entry:
    return {"name": contender.name, "per_second": _rounded(contender.rate), "cpu_us": _rounded(contender.cpu_us)}


def _rounded(value: float | str) -> float | str:
    """Keep four digits: more is noise."""
    return value if isinstance(value, str) else float(f"{value:.{DIGITS}g}")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _machine(bench: Bench) -> Entry:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "subject_on": sorted(bench.cores.subject),
        "others_on": sorted(bench.cores.others),
        "load_average": _rounded(os.getloadavg()[0]),
        "python": platform.python_version(),
        "store": bench.store,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
