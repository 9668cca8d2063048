"""The whole stack on free ports in a folder of its own: up, again, replicas, broken settings, death, down."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local import probes
from deploy.local.errors import StackError
from deploy.local.layout import Layout
from deploy.local.paths import Home
from deploy.local.programs import SERVICE_NAMES
from deploy.local.progress import Progress
from deploy.local.stack import Stack, stack_facts
from deploy.local.status import Row, lag_rows, process_rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NAMES = {"kafka", "mongo", "simulator", *(f"{name}-1" for name in SERVICE_NAMES)}


class Running:
    """A stack that is up, and what it has said so far."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.said = io.StringIO()
        self.stack = Stack(self.home, Progress(Console(file=self.said, width=200)), anywhere=True)

    def up(self, **counts: int) -> Layout:
        """Bring it up, again or for the first time."""
        return self.stack.up(counts)

    def pids(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {name: state.pid for name, state in self.stack.supervisor.states().items()}

    def rows(self) -> dict[str, Row]:
        """What `make status` shows of the processes."""
        return {row.name: row for row in process_rows(self.home, stack_facts(self.home.stack_file))}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One stack for this module, with servers of its own whatever the environment gives."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("KAFKA_URL", "MONGO_URL", "STACK"):
            patch.delenv(variable, raising=False)
        running = Running(tmp_path_factory.mktemp("stack"))
        try:
            running.up()
            yield running
        finally:
            running.stack.down()


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_process_is_up_and_well(running: Running) -> None:
    rows = running.rows()
    assert rows.keys() == NAMES
    assert {name: row.problem for name, row in rows.items()} == dict.fromkeys(NAMES)
    services = ", ".join(f"{name}-1" for name in SERVICE_NAMES)
    assert f"ready: simulator, {services}" in running.said.getvalue()


def test_lag_can_be_told(running: Running) -> None:
    assert not isinstance(lag_rows(stack_facts(running.home.stack_file)), str)


def test_up_again_changes_nothing(running: Running) -> None:
    before, facts = running.pids(), stack_facts(running.home.stack_file)
    running.up()
    assert running.pids() == before
    assert stack_facts(running.home.stack_file) == facts


def test_a_killed_service_comes_back_at_its_address(running: Running) -> None:
    pid = running.pids()["ingest-1"]
    assert pid is not None
    until(lambda: running.stack.supervisor.states()["ingest-1"].state == "RUNNING")
    os.kill(pid, signal.SIGKILL)
    until(lambda: running.pids()["ingest-1"] not in {None, pid} and running.rows()["ingest-1"].problem is None)
    state = running.rows()["ingest-1"].state
    assert state is not None
    assert (state.deaths, state.last_death) == (1, "terminated by SIGKILL")


def test_replicas_come_stay_and_go(running: Running) -> None:
    first = running.pids()["insights-1"]
    running.up(insights=2)
    assert running.rows()["insights-2"].problem is None
    running.up()
    assert "insights-2" in running.pids()
    running.up(insights=1)
    assert "insights-2" not in running.pids()
    assert running.pids()["insights-1"] == first


def test_broken_settings_are_told_in_the_services_own_words(running: Running) -> None:
    keys = running.home.secrets / "admin_keys.yaml"
    good = keys.read_text()
    running.stack.supervisor.stop(["binding-1"])
    keys.write_text("- id: [")
    try:
        with pytest.raises(StackError, match="binding-1 does not start, its settings are wrong") as failure:
            running.up()
    finally:
        keys.write_text(good)
    assert "admin_keys.yaml" in str(failure.value)
    assert running.stack.supervisor.states()["binding-1"].state == "STOPPED"
    running.up()
    assert running.rows()["binding-1"].problem is None


def test_down_ends_every_process_and_the_next_start_keeps_the_addresses(running: Running) -> None:
    pids, facts = running.pids(), stack_facts(running.home.stack_file)
    assert running.stack.down()
    for pid in pids.values():
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(StackError, match="make up"):
        stack_facts(running.home.stack_file)
    assert not running.stack.down()
    layout = running.stack.servers_up()
    assert (layout.kafka_url, layout.mongo_url) == (facts["kafka"], facts["mongo"])
    assert probes.kafka_accepts(layout.kafka_url) is None
