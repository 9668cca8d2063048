"""Bring the stack up, take it down, wipe it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.local import probes
from deploy.local.errors import StackError, last_lines
from deploy.local.keys import key_files
from deploy.local.layout import Layout, choose_replicas, choose_simulator_port
from deploy.local.paths import CHECKOUT, Home
from deploy.local.ports import Ports
from deploy.local.probes import Probe
from deploy.local.programs import SERVICES
from deploy.local.progress import Progress
from deploy.local.server_commands import ServerCommand, kafka_command, mongo_command
from deploy.local.servers import given
from deploy.local.supervision import Supervisor

SERVER_SECONDS = 120.0
READY_SECONDS = 90.0
TOPICS_SECONDS = 120
BAD_SETTINGS_EXIT = 2
ENDED_TOO_OFTEN = 3


class Stack:
    """The stack that keeps its things in one folder."""

    def __init__(self, home: Home, progress: Progress, *, anywhere: bool = False) -> None:
        """`anywhere` takes any free ports instead of the default ones (tests)."""
        self.home = home
        self.supervisor = Supervisor(home)
        self._progress = progress
        self._anywhere = anywhere

    def servers_up(self) -> Layout:
        """Bring up Kafka and the MongoDB-protocol server alone, those that are not given by the environment.

        Raises:
            StackError: which one, why, its last log lines.
        """
        layout = self._lay_out(None)
        self.supervisor.apply(layout.programs())
        self._start_servers(layout)
        self._write_facts(layout)
        return layout

    def up(self, counts: Mapping[str, int]) -> Layout:
        """Bring up everything that does not run; returns when all of it is ready.

        `counts` is replicas by service; a service that is not named keeps as many as it runs, at least one.

        Raises:
            StackError: which process, why, its last log lines.
        """
        layout = self._lay_out(counts)
        self.supervisor.apply(layout.programs())
        self._start_servers(layout)
        self._progress.step("creating and aligning topics")
        make_topics(layout.kafka_url)
        self._write_facts(layout)
        self._start_services(layout)
        return layout

    def down(self) -> bool:
        """Stop all processes: services, then the stand-in, then the store, then Kafka. False where none ran."""
        if not self.supervisor.runs():
            return False
        names = set(self.supervisor.states())
        servers = ["mongo", "kafka"]
        for group in (names - {"simulator", *servers}, names & {"simulator"}, *({name} & names for name in servers)):
            if group:
                self._progress.step(f"stopping {', '.join(sorted(group))}")
                self.supervisor.stop(sorted(group))
        self.supervisor.shutdown()
        self.home.stack_file.unlink(missing_ok=True)
        return True

    def wipe(self) -> None:
        """Stop everything and delete data, logs, ports and keys. What was downloaded stays in the cache."""
        self.down()
        for path in self.home.root.iterdir() if self.home.root.is_dir() else ():
            if path.name != "cache":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _running(self) -> set[str]:
        return {name for name, state in self.supervisor.states().items() if state.wanted}

    def _lay_out(self, counts: Mapping[str, int] | None) -> Layout:
        running = self._running()
        ports = Ports(self.home.ports_file, anywhere=self._anywhere)
        kafka_url = given("KAFKA_URL", probes.kafka_accepts)
        mongo_url = given("MONGO_URL", probes.mongo_accepts)
        servers: list[ServerCommand] = []
        if kafka_url is None:
            servers.append(kafka_command(self.home, ports, running="kafka" in running, say=self._progress.step))
        if mongo_url is None:
            servers.append(mongo_command(self.home, ports, running="mongo" in running, say=self._progress.step))
        urls = {server.name: server.url for server in servers}
        layout = Layout(
            kafka_url=kafka_url or urls["kafka"],
            mongo_url=mongo_url or urls["mongo"],
            servers=tuple(servers),
            simulator_port=None if counts is None else choose_simulator_port(ports, running),
            replicas=() if counts is None else choose_replicas(ports, _wanted(counts, running), running),
            files=None if counts is None else key_files(self.home),
        )
        for name, (taken, port) in ports.moved.items():
            self._progress.note(f"port {taken} is taken by another program; {name} is on {port}")
        return layout

    def _start_servers(self, layout: Layout) -> None:
        names = [server.name for server in layout.servers]
        fresh = set(names) - self._running()
        self.supervisor.start(fresh)
        for server in layout.servers:
            self._progress.step(f"waiting for {server.name} to accept")
            self._wait(server.name, server.accepts, SERVER_SECONDS)
            if server.name in fresh:
                self._progress.done(f"{server.name} accepts on {server.url}")

    def _start_services(self, layout: Layout) -> None:
        answers: dict[str, Probe] = {"simulator": lambda: probes.http_ok(layout.line["phone"])}
        for replica in layout.replicas:
            ready = replica.addresses["ops"] + "/health/ready"
            answers[replica.name] = lambda url=ready: probes.http_ok(url)  # type: ignore[misc]
        fresh = set(answers) - self._running()
        self.supervisor.start(fresh)
        for name, probe in answers.items():
            self._progress.step(f"waiting for {name} to be ready")
            self._wait(name, probe, READY_SECONDS)
        if fresh:
            self._progress.done(f"ready: {', '.join(name for name in answers if name in fresh)}")

    def _wait(self, name: str, probe: Probe, seconds: float) -> None:
        before = self.supervisor.states()[name].deaths
        try:
            probes.wait_for(probe, seconds, name, lambda: self._in_vain(name, before))
        except StackError as error:
            self.supervisor.stop([name])
            log = self.home.log(name)
            raise StackError(f"{error}\n{last_lines(log)}\n  whole log: {log}") from None

    def _in_vain(self, name: str, deaths_before: int) -> str | None:
        state = self.supervisor.states()[name]
        if state.state in {"BACKOFF", "EXITED", "FATAL"} and state.exit_status == BAD_SETTINGS_EXIT:
            return "does not start: its settings are wrong"
        deaths = state.deaths - deaths_before
        if deaths >= ENDED_TOO_OFTEN:
            return f"ended {deaths} times in a row, last with status {state.exit_status}"
        return None if state.wanted else f"is not running ({state.state.lower()})"

    def _write_facts(self, layout: Layout) -> None:
        draft = self.home.stack_file.with_suffix(".draft")
        draft.write_text(json.dumps(layout.facts(), indent=2) + "\n", encoding="utf-8")
        draft.replace(self.home.stack_file)


def _wanted(counts: Mapping[str, int], running: Iterable[str]) -> dict[str, int]:
    running = list(running)
    wanted = {}
    for service in SERVICES:
        runs = sum(1 for name in running if name.rpartition("-")[0] == service.name)
        wanted[service.name] = counts.get(service.name, max(1, runs))
    return wanted


def make_topics(kafka_url: str) -> str:
    """Run the topic job against a cluster and return what it says.

    Raises:
        StackError: with what the job says.
    """
    done = subprocess.run(
        [sys.executable, "-m", "deploy.topics"],
        cwd=CHECKOUT,
        env=os.environ | {"KAFKA_URL": kafka_url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TOPICS_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"the topic job failed:\n{(done.stdout + done.stderr).strip()}")
    return done.stdout.strip()


def stack_facts(stack_file: Path) -> dict[str, object]:
    """Return stack.json.

    Raises:
        StackError: no stack runs there.
    """
    if not stack_file.is_file():
        raise StackError("the stack is not up: there is no " + str(stack_file) + "; `make up` starts it")
    facts = json.loads(stack_file.read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts
