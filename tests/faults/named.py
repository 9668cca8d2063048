"""Runs the tests that the catalogue names, and tells what became of each."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from deploy.local.paths import CHECKOUT
from tests.faults.catalogue import cases_shown_by
from tests.faults.table import Named

MOST_SECONDS = 1200
PASSED, FAILED, SKIPPED, MISSING = "passed", "failed", "skipped", "missing"
_WORST = (FAILED, MISSING, SKIPPED, PASSED)


def run_named(tests: Sequence[str]) -> list[Named]:
    """Run tests, those of one file together; a test of several rows has the worst of their outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *tests]
        subprocess.run(command, cwd=CHECKOUT, timeout=MOST_SECONDS, check=False)
        outcomes = read_report(report.read_text(encoding="utf-8")) if report.is_file() else {}
    found = [(test, *outcomes.get(_key(test), (MISSING, 0.0))) for test in tests]
    return [Named(test, cases_shown_by(test), outcome, seconds) for test, outcome, seconds in found]


def read_report(xml: str) -> dict[str, tuple[str, float]]:
    """Return by test (module and function, with dots) its worst outcome and all its seconds."""
    found: dict[str, tuple[str, float]] = {}
    for case in ElementTree.fromstring(xml).iter("testcase"):
        key = f"{case.get('classname')}.{(case.get('name') or '').partition('[')[0]}"
        kinds = {child.tag for child in case}
        outcome = FAILED if kinds & {"failure", "error"} else SKIPPED if "skipped" in kinds else PASSED
        before, seconds = found.get(key, (PASSED, 0.0))
        found[key] = min(before, outcome, key=_WORST.index), seconds + float(case.get("time") or 0)
    return found


def _key(test: str) -> str:
    path, _, name = test.partition("::")
    return f"{path.removesuffix('.py').replace('/', '.')}.{name}"
