"""The supervisor: brings back what dies, tells how it died, stops cleanly, works in a deep folder."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from deploy.local.paths import Home
from deploy.local.supervision import Program, State, Supervisor

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
POLITE_CODE = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(print("put away")))
print("up", flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A folder deeper than a socket's path may be long, with characters that a configuration file minds."""
    root = tmp_path_factory.mktemp("deep") / ("x" * 90) / "100% mine"
    root.mkdir(parents=True)
    return Home(root)


@pytest.fixture(scope="module")
def supervisor(home: Home) -> Iterator[Supervisor]:
    """A supervisor for the tests of this module, each with programs of its own."""
    supervisor = Supervisor(home)
    yield supervisor
    if supervisor.runs():
        supervisor.shutdown()


def until(supervisor: Supervisor, name: str, wanted: Callable[[State], bool], seconds: float = 15) -> State:
    """Poll until a process is as wanted."""
    deadline = time.monotonic() + seconds
    while not wanted(state := supervisor.states()[name]):
        assert time.monotonic() < deadline, f"still {state}"
        time.sleep(0.05)
    return state


def running(state: State) -> bool:
    """Past the first two seconds, in which an end counts as a failed start."""
    return state.state == "RUNNING"


def test_a_killed_process_is_brought_back(supervisor: Supervisor) -> None:
    supervisor.apply([Program("killed", SLEEPER)])
    supervisor.start(["killed"])
    first = until(supervisor, "killed", running)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    second = until(supervisor, "killed", lambda state: state.pid not in {None, first.pid})
    assert (first.deaths, second.deaths) == (0, 1)
    assert second.last_death == "terminated by SIGKILL"


def test_how_a_process_ends_by_itself_is_told(supervisor: Supervisor) -> None:
    supervisor.apply([Program("failing", (sys.executable, "-c", "raise SystemExit(2)"))])
    supervisor.start(["failing"])
    state = until(supervisor, "failing", lambda state: state.deaths > 0)
    assert state.last_death == "exit status 2"


def test_stopping_lets_a_process_put_its_things_away(supervisor: Supervisor, home: Home) -> None:
    script = home.root / "polite.py"
    script.write_text(POLITE_CODE)
    supervisor.apply([Program("polite", (sys.executable, str(script)))])
    supervisor.start(["polite"])
    until(supervisor, "polite", lambda state: "up" in home.log("polite").read_text())
    supervisor.stop(["polite"])
    assert "put away" in home.log("polite").read_text()
    assert supervisor.states()["polite"].deaths == 0


def test_values_with_percent_signs_and_spaces_arrive_whole(supervisor: Supervisor, home: Home) -> None:
    show = (sys.executable, "-c", "import os, time; print(os.environ['VALUE'], flush=True); time.sleep(600)")
    supervisor.apply([Program("shows", show, {"VALUE": "50% of it, all mine"})])
    supervisor.start(["shows"])
    until(supervisor, "shows", lambda state: "50% of it, all mine" in home.log("shows").read_text())


def test_a_program_that_is_dropped_is_stopped_and_the_others_go_on(supervisor: Supervisor) -> None:
    supervisor.apply([Program("one", SLEEPER), Program("two", SLEEPER)])
    supervisor.start(["one", "two"])
    before = until(supervisor, "one", lambda state: state.pid is not None)
    supervisor.apply([Program("one", SLEEPER)])
    assert supervisor.states().keys() == {"one"}
    assert supervisor.states()["one"].pid == before.pid


def test_shutdown_leaves_nothing(supervisor: Supervisor, home: Home) -> None:
    supervisor.apply([Program("sleeper", SLEEPER)])
    supervisor.start(["sleeper"])
    pid = until(supervisor, "sleeper", lambda state: state.pid is not None).pid
    assert pid is not None
    supervisor.shutdown()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not supervisor.runs()
    assert not home.socket.exists()


def test_what_a_killed_supervisor_left_is_ended(supervisor: Supervisor, home: Home) -> None:
    supervisor.apply([Program("sleeper", SLEEPER)])
    supervisor.start(["sleeper"])
    pid = until(supervisor, "sleeper", lambda state: state.pid is not None).pid
    assert pid is not None
    assert supervisor.end_orphans() == 0
    os.kill(int((home.root / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while supervisor.runs():
        assert time.monotonic() < deadline
    while not supervisor.end_orphans():
        # Between fork and exec the left-over still bears its parent's command line.
        assert time.monotonic() < deadline
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
