"""Bring the stack up, take it down, wipe it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.local import probes
from deploy.local.errors import StackError, last_lines
from deploy.local.keys import key_files
from deploy.local.layout import Layout, choose_replicas, choose_simulator_port
from deploy.local.paths import CHECKOUT, CONTAINER_HOME, Home
from deploy.local.ports import Ports
from deploy.local.probes import Probe
from deploy.local.programs import DEFAULT_PORTS, SERVICES
from deploy.local.progress import Progress
from deploy.local.server_commands import ServerCommand, kafka_command, mongo_command
from deploy.local.servers import given
from deploy.local.supervision import State, Supervisor
from shared.settings import BAD_SETTINGS_EXIT

SERVER_SECONDS = 120.0
READY_SECONDS = 90.0
TOPICS_SECONDS = 120
ENDED_TOO_OFTEN = 2
POLL_SECONDS = 0.2


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
            return self.supervisor.end_orphans() > 0
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
        """Stop everything and delete data, logs, ports and keys. What was downloaded stays in the cache.

        The stack in containers has a folder of its own in there, and is not this one.
        """
        self.down()
        for path in self.home.root.iterdir() if self.home.root.is_dir() else ():
            if path.name not in {"cache", CONTAINER_HOME.name}:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _running(self) -> set[str]:
        return {name for name, state in self.supervisor.states().items() if state.wanted}

    def _lay_out(self, counts: Mapping[str, int] | None) -> Layout:
        orphans = self.supervisor.end_orphans()
        if orphans:
            self._progress.note(f"ended {orphans} processes that a killed supervisor had left behind")
        running = self._running()
        ports = Ports(self.home.ports_file, anywhere=self._anywhere, reserved=DEFAULT_PORTS)
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
            replicas=() if counts is None else choose_replicas(ports, wanted_counts(counts, running), running),
            files=None if counts is None else key_files(self.home),
            databases=self.home.databases if mongo_url and not kafka_url else None,
        )
        for name, (taken, port) in ports.moved.items():
            self._progress.note(f"port {taken} is taken by another program; {name} is on {port}")
        return layout

    def _start_servers(self, layout: Layout) -> None:
        answers = {server.name: server.accepts for server in layout.servers}
        fresh = self._start(answers, SERVER_SECONDS, "accept")
        for server in layout.servers:
            if server.name in fresh:
                self._progress.done(f"{server.name} accepts on {server.url}")

    def _start_services(self, layout: Layout) -> None:
        answers = {"simulator": _ready(layout.line["api"])}
        answers |= {replica.name: _ready(replica.addresses["ops"]) for replica in layout.replicas}
        fresh = self._start(answers, READY_SECONDS, "be ready")
        if fresh:
            self._progress.done(f"ready: {', '.join(name for name in answers if name in fresh)}")

    def _start(self, answers: Mapping[str, Probe], seconds: float, what: str) -> set[str]:
        """Start what does not run and wait for all; return what was started."""
        before = self.supervisor.states()
        fresh = {name for name in answers if not before[name].up}
        self.supervisor.start(fresh)
        waiting, until = dict(answers), time.monotonic() + seconds
        while waiting:
            reasons = {name: reason for name, probe in waiting.items() if (reason := probe()) is not None}
            waiting = {name: answers[name] for name in reasons}
            failed = self._failed(waiting, before)
            if waiting and not failed and time.monotonic() > until:
                failed = {name: f"is not ready after {seconds:.0f} s: {reason}" for name, reason in reasons.items()}
            if failed:
                self.supervisor.stop(failed)
                raise StackError("\n\n".join(self._obituary(name, why) for name, why in failed.items()))
            if waiting:
                self._progress.step(f"waiting for {', '.join(waiting)} to {what}")
                time.sleep(POLL_SECONDS)
        return fresh

    def _failed(self, names: Iterable[str], before: Mapping[str, State]) -> dict[str, str]:
        states = self.supervisor.states()
        found = {name: _in_vain(states[name], states[name].deaths - before[name].deaths) for name in names}
        return {name: why for name, why in found.items() if why is not None}

    def _obituary(self, name: str, why: str) -> str:
        log = self.home.log(name)
        return f"{name} {why}\n{last_lines(log)}\n  whole log: {log}"

    def _write_facts(self, layout: Layout) -> None:
        write_facts(self.home.stack_file, layout.facts())


def _ready(base_url: str) -> Probe:
    return lambda: probes.http_ok(base_url + "/health/ready")


def _in_vain(state: State, deaths: int) -> str | None:
    """Say why waiting for a process that has died so many times meanwhile is in vain, or None while there is hope."""
    if deaths and state.last_death == f"exit status {BAD_SETTINGS_EXIT}":
        return "does not start, its settings are wrong:"
    if deaths >= ENDED_TOO_OFTEN:
        return f"ended {deaths} times in a row, last: {state.last_death}"
    return None if state.wanted else f"is not running ({state.state.lower()})"


def wanted_counts(counts: Mapping[str, int], running: Iterable[str]) -> dict[str, int]:
    """Return the replicas of every service: as many as named, else as many as run (by name), at least one."""
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


def write_facts(stack_file: Path, facts: Mapping[str, Any]) -> None:
    """Write stack.json whole: who reads it meanwhile sees the old one."""
    draft = stack_file.with_suffix(".draft")
    draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draft.replace(stack_file)


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
