"""Docker and its compose plugin, asked through their command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError, last_lines
from deploy.local.paths import CHECKOUT

FILE = CHECKOUT / "docker-compose.yml"
LOOPBACK_FILE = CHECKOUT / "deploy/docker/loopback.yml"
OWN_FILE = CHECKOUT / "docker-compose.override.yml"
"""Somebody's own changes, where there are any; never committed."""
OLDEST_COMPOSE = (2, 20)
"""The first whose `up --wait` takes a finished one-shot job for what it is."""


def wanted() -> bool:
    """Say whether the environment asks for containers.

    Raises:
        StackError: STACK is set to something unknown.
    """
    stack = os.environ.get("STACK") or "local"
    if stack not in {"local", "docker"}:
        raise StackError(f"STACK={stack} is unknown; it is `local` (without Docker) or `docker`")
    return stack == "docker"


def check_engine() -> None:
    """Make sure that containers can be run here.

    Raises:
        StackError: there is no Docker, no compose plugin or too old a one, or no running engine.
    """
    if shutil.which("docker") is None:
        raise StackError("STACK=docker needs the `docker` command, which is not here; plain `make up` needs no Docker")
    version = _asked("compose", "version", "--short", missing="the compose plugin")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_COMPOSE:
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        raise StackError(f"STACK=docker needs docker compose {oldest} or newer; here is {version.strip()}")
    _asked("info", "--format", "{{.ServerVersion}}", missing="a running engine")


def _asked(*question: str, missing: str) -> str:
    done = subprocess.run(["docker", *question], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no reason is given"])[-1]
        raise StackError(f"STACK=docker needs {missing}: `docker {' '.join(question[:2])}` fails: {words}")
    return done.stdout


@dataclass(frozen=True)
class Container:
    """A container as compose lists it."""

    id: str
    service: str
    number: int
    state: str
    """created, running, restarting, exited, …"""
    health: str
    """healthy, unhealthy, starting; empty where nothing checks it."""
    status: str
    """State and age in words."""
    exit_code: int = 0
    ports: Mapping[int, int] = field(default_factory=dict)
    """Port inside → port on this machine."""

    @property
    def name(self) -> str:
        """Its name as the local stack would have it."""
        return f"{self.service}-{self.number}"

    @property
    def well(self) -> bool:
        """Whether it does what it is for: runs healthily, or has done its one job."""
        if self.state == "exited":
            return self.service == "topics" and self.exit_code == 0
        return self.state == "running" and self.health in {"", "healthy"}


def read_containers(text: str) -> list[Container]:
    """Read `docker compose ps --format json`: a list, or, since 2.21, an object a line."""
    text = text.strip()
    entries = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    return sorted((_container(entry) for entry in entries), key=lambda container: (container.service, container.number))


def _container(entry: dict[str, Any]) -> Container:
    published = {port["TargetPort"]: port["PublishedPort"] for port in entry.get("Publishers") or ()}
    return Container(
        id=entry["ID"],
        service=entry["Service"],
        number=int(entry["Name"].rpartition("-")[2]),
        state=entry["State"],
        health=entry.get("Health", ""),
        status=entry.get("Status", ""),
        exit_code=entry.get("ExitCode", 0),
        ports={inside: outside for inside, outside in published.items() if outside},
    )


class Compose:
    """`docker compose` on the project's files. What it says goes to a log file, unless it is asked for."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log

    def _command(self, arguments: Sequence[str]) -> list[str]:
        files = [FILE, LOOPBACK_FILE, *([OWN_FILE] if OWN_FILE.is_file() else [])]
        return ["docker", "compose", *(part for file in files for part in ("-f", str(file))), *arguments]

    def run(self, *arguments: str) -> None:
        """Do something.

        Raises:
            StackError: it failed; with the last lines of what it said.
        """
        with self._log.open("ab") as log:
            done = self._run(arguments, stdout=log, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise StackError(
                f"`docker compose {arguments[0]}` failed\n{last_lines(self._log)}\n  whole log: {self._log}"
            )

    def show(self, *arguments: str) -> int:
        """Do something whose words are for the terminal; return the exit status."""
        return self._run(arguments).returncode

    def read(self, *arguments: str) -> str:
        """Return what it says.

        Raises:
            StackError: it failed.
        """
        done = self._run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise StackError(f"`docker compose {arguments[0]}` failed: {done.stderr.strip()}")
        return str(done.stdout)

    def containers(self) -> list[Container]:
        """Return every container of the stack, also those that have ended."""
        return read_containers(self.read("ps", "--all", "--format", "json"))

    def _run(self, arguments: Sequence[str], **streams: Any) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self._environment
        return subprocess.run(
            self._command(arguments),
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            **streams,
        )
