"""The story on a whole stack: nothing lost, nothing twice, whichever service dies in the middle; and a loss is seen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack, stack_facts
from deploy.local.story import play

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def told(stack: Stack, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Play the story; return its exit status and its report as data."""
    file = folder / "report.json"
    status = play(stack.home, "--friends", "100", "--json", str(file), *arguments)
    assert file.is_file(), "the story was not played to its end"
    report: dict[str, Any] = json.loads(file.read_text())
    return status, report


@pytest.mark.parametrize("service", ["ingest", "binding", "ticketing", "insights"])
def test_nothing_is_lost_or_doubled_when_a_service_is_killed(local_stack: Stack, tmp_path: Path, service: str) -> None:
    before = stack_facts(local_stack.home.stack_file)["replicas"]
    status, report = told(local_stack, tmp_path, "--kill", service)
    assert report["differences"] == []
    assert (status, report["lost"], report["twice"], report["uncalled"]) == (0, 0, 0, 0)
    assert report["killed"] == [f"{service}-1", "broadcast-1"]
    assert report["ticket"]["state"] == "closed"
    campaign = report["campaign_progress"]
    assert campaign["accepted"] == campaign["frozen"]["recipients"] > 1
    assert campaign["clicks"] > 0
    assert report["webhooks"]["duplicated"] > 0
    assert service != "ingest" or report["webhooks"]["redelivered"] > 0
    assert all(report["swallowed"][each] > 0 for each in ("binding", "insights"))
    assert report["effects"] > 500
    assert stack_facts(local_stack.home.stack_file)["replicas"] == before


def test_a_greeting_that_line_refuses_is_reported_as_lost_by_its_event(
    local_stack: Stack, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    control = str(stack_facts(local_stack.home.stack_file)["line"]["control"])  # type: ignore[index]
    fault = {"api": "reply", "kind": "400", "count": 1}
    httpx.post(f"{control}/faults", json=fault).raise_for_status()
    status, report = told(local_stack, tmp_path, "--no-kill")
    assert (status, report["lost"], report["twice"]) == (1, 1, 0)
    printed = capfd.readouterr().out
    assert re.search(r"✗ lost: greeting of musubi-\w+ for event [0-9A-Z]{26}: LINE accepted none", printed)
    assert not re.search(r"U[0-9a-f]{32}", printed + json.dumps(report))
