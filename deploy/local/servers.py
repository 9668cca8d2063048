"""Real servers for tests: `with running_servers(folder) as servers:`, started where none is given.

Order (design §11): KAFKA_URL and MONGO_URL given → those; STACK=docker → containers; else processes on free ports.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local import containers, probes
from deploy.local.errors import StackError, last_lines
from deploy.local.paths import CHECKOUT, Home
from deploy.local.ports import Ports
from deploy.local.server_commands import START_SECONDS, ServerCommand, kafka_command, mongo_command

STOP_SECONDS = 20.0
GIVEN_SECONDS = 10.0


class Reaper:
    """Ends started servers should this process be killed before it can."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.reaper"],
            stdin=subprocess.PIPE,
            cwd=CHECKOUT,
            text=True,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """End that process when this one has ended."""
        self._tell(pid)

    def forget(self, pid: int) -> None:
        """That process has ended."""
        self._tell(-pid)

    def _tell(self, number: int) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """End what is still watched, and the reaper."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Server:
    """A server of one's own, for tests that stop, freeze or kill it: same address and data after `start`."""

    def __init__(self, server: ServerCommand, log: Path, reaper: Reaper) -> None:
        self.url = server.url
        self._server = server
        self._log = log
        self._reaper = reaper
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it; returns when it accepts requests.

        Raises:
            StackError: it ended or did not accept in time, with its last log lines.
        """
        environment = os.environ | self._server.environment
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._server.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._reaper.watch(self._process.pid)
        try:
            probes.wait_for(self._server.accepts, START_SECONDS, self._server.name, self._ended)
        except StackError as error:
            self.stop()
            raise StackError(f"{error}\n{last_lines(self._log)}") from None

    def _ended(self) -> str | None:
        status = self._process.poll() if self._process else None
        return None if status is None else f"ended with status {status}"

    def stop(self) -> None:
        """Stop it cleanly and wait; kill it only if that takes over 20 s. Nothing happens where it is stopped."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._gone()

    def kill(self) -> None:
        """Kill -9. Note: the MongoDB-protocol server then loses about its last 0.3 s."""
        if self._process is not None:
            self._process.kill()
            self._gone()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, nothing is answered."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _gone(self) -> None:
        assert self._process is not None
        self._process.wait()
        self._reaper.forget(self._process.pid)
        self._process = None


@dataclass(frozen=True)
class Servers:
    """Where the servers are. `kafka` and `mongo` can be stopped and started; None where given or in Docker."""

    kafka_url: str
    mongo_url: str
    kafka: Server | None = None
    mongo: Server | None = None


def given(variable: str, accepts: Callable[[str], str | None]) -> str | None:
    """Return the address that an environment variable gives, after asking the server, or None where it is not set.

    Raises:
        StackError: nothing answers there.
    """
    url = os.environ.get(variable)
    if not url:
        return None
    probes.wait_for(lambda: accepts(url), GIVEN_SECONDS, f"the server that {variable} names")
    return url


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Give real servers for the length of the block; data and logs of those started here lie in `folder`.

    Not to be called where an event loop runs: use it in a plain (not async) session fixture.

    Raises:
        StackError: a server could not be fetched, started or reached.
    """
    kafka_url = given("KAFKA_URL", probes.kafka_accepts)
    mongo_url = given("MONGO_URL", probes.mongo_accepts)
    with ExitStack() as stack:
        if os.environ.get("STACK") == "docker":
            kafka_url = kafka_url or stack.enter_context(containers.kafka())
            mongo_url = mongo_url or stack.enter_context(containers.mongo())
        if kafka_url and mongo_url:
            yield Servers(kafka_url, mongo_url)
            return
        yield _start_missing(folder, kafka_url, mongo_url, stack)


def _start_missing(folder: Path, kafka_url: str | None, mongo_url: str | None, stack: ExitStack) -> Servers:
    home = Home(folder)
    ports = Ports(home.ports_file, anywhere=True)
    reaper = Reaper()
    stack.callback(reaper.close)
    started: dict[str, Server] = {}
    for url, prepare in ((kafka_url, kafka_command), (mongo_url, mongo_command)):
        if url is None:
            command = prepare(home, ports)
            server = started[command.name] = Server(command, home.log(command.name), reaper)
            stack.callback(server.stop)
            server.start()
    return Servers(
        kafka_url or started["kafka"].url,
        mongo_url or started["mongo"].url,
        started.get("kafka"),
        started.get("mongo"),
    )
