"""Bring the stack in containers up, take it down, change how many processes a service has."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from functools import partial

from deploy.docker.engine import Compose, Container, check_engine
from deploy.docker.layout import choose_ports, facts, variable
from deploy.local import probes
from deploy.local.errors import StackError
from deploy.local.keys import container_key_files
from deploy.local.layout import local_url
from deploy.local.paths import Home
from deploy.local.ports import Ports
from deploy.local.programs import DEFAULT_PORTS, SERVICE_NAMES, SERVICES
from deploy.local.progress import Progress
from deploy.local.stack import wanted_counts, write_facts

WAIT_SECONDS = 240
EDGE_SECONDS = 30.0
LAST_LOG_LINES = "15"
OPS_PORTS = {service.name: service.ops_port for service in SERVICES}
NOT_STARTED = "created"
"""State of a container that waits for another one; the other one is the news."""
NOBODY_BEHIND = "503"
"""What the edge answers while it knows of no living process of a service."""


class ContainerStack:
    """The stack of docker-compose.yml; keys, ports and stack.json lie in one folder."""

    def __init__(self, home: Home, progress: Progress) -> None:
        """Nothing is asked of Docker yet.

        Raises:
            StackError: Docker cannot be used here.
        """
        check_engine()
        self.home = home
        self._progress = progress
        self._files = container_key_files(home)
        self._ports = Ports(home.ports_file, reserved=DEFAULT_PORTS)
        self._published: dict[str, int] = {}
        self._environment = {"MUSUBI_SECRETS": str(home.secrets)}
        self.compose = Compose(self._environment, home.log("compose"))

    def up(self, counts: Mapping[str, int]) -> None:
        """Build, start what does not run, and wait until all is healthy and reached through the edge.

        `counts` is replicas by service; a service that is not named keeps as many as it runs, at least one.

        Raises:
            StackError: what failed, and the last log lines of it.
        """
        running = self._running()
        self._choose_ports(running)
        self._progress.step("building images (the first time takes minutes)")
        self.compose.run("build")
        self._progress.done("images are built")
        wanted = wanted_counts(counts, [container.name for container in running])
        self._progress.step("starting containers")
        self._start(*(part for name, count in wanted.items() for part in ("--scale", f"{name}={count}")))
        self._progress.done("every container is healthy")
        for name in SERVICE_NAMES:
            probe = partial(_behind_the_edge, local_url(self._published[name]))
            probes.wait_for(probe, EDGE_SECONDS, f"the edge's way to {name}")
        self.refresh()

    def scale(self, service: str, count: int) -> None:
        """Have so many processes of a service, touching no other; returns when they are healthy or gone.

        Raises:
            StackError: they do not become healthy.
        """
        self._choose_ports(self._running())
        self._start("--no-deps", "--no-recreate", "--no-build", "--scale", f"{service}={count}", service)
        self.refresh()

    def kill(self, name: str) -> None:
        """Kill -9 a container's process and start it again.

        Docker takes a kill for a wish and lets its restart policy rest, other than when a process dies by itself.

        Raises:
            StackError: no container of that name runs, or Docker refuses.
        """
        container = self._container(name)
        for command in (("kill", "--signal", "KILL"), ("start",)):
            done = subprocess.run(["docker", *command, container.id], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise StackError(f"`docker {command[0]}` of {name} failed: {done.stderr.strip()}")

    def ops(self, name: str) -> str | None:
        """Return where the ops port of a process is now; None while it has none."""
        container = self._container(name)
        port = container.ports.get(OPS_PORTS[container.service])
        return None if port is None else local_url(port)

    def refresh(self) -> None:
        """Write stack.json as things are now: Docker gives a container other ports each time it starts."""
        self._choose_ports(self._running())
        write_facts(self.home.stack_file, facts(self._published, self.compose.containers(), self._files))

    def down(self) -> bool:
        """Stop and remove the containers; data stays in volumes. False where there were none."""
        some = bool(self.compose.containers())
        self.compose.run("down")
        self.home.stack_file.unlink(missing_ok=True)
        return some

    def wipe(self) -> None:
        """Stop everything and delete volumes, keys, ports and logs; images stay."""
        self.compose.run("down", "--volumes", "--remove-orphans")
        shutil.rmtree(self.home.root)

    def logs(self, process: str | None, lines: int, follow: bool) -> int:
        """Show logs: of all, of a service, or of one process such as binding-2. Returns compose's exit status."""
        service, _, number = (process or "").rpartition("-")
        narrowed = ["--index", number, service] if number.isdigit() and service else [process] if process else []
        return self.compose.show("logs", "--tail", str(lines), *(["--follow"] if follow else []), *narrowed)

    def _running(self) -> list[Container]:
        return [container for container in self.compose.containers() if container.state == "running"]

    def _container(self, name: str) -> Container:
        found = [container for container in self.compose.containers() if container.name == name]
        if not found:
            raise StackError(f"there is no container {name}")
        return found[0]

    def _choose_ports(self, running: list[Container]) -> None:
        self._published = choose_ports(self._ports, {container.service for container in running})
        self._environment.update({variable(name): str(port) for name, port in self._published.items()})
        for name, (taken, port) in self._ports.moved.items():
            self._progress.note(f"port {taken} is taken by another program; {name} is on {port}")
        self._ports.moved.clear()

    def _start(self, *arguments: str) -> None:
        try:
            self.compose.run("up", "--detach", "--wait", "--wait-timeout", str(WAIT_SECONDS), *arguments)
        except StackError as error:
            ill = [one for one in self.compose.containers() if not one.well and one.state != NOT_STARTED]
            raise StackError("\n\n".join([str(error), *map(self._obituary, ill)])) from None

    def _obituary(self, container: Container) -> str:
        said = self.compose.read("logs", "--no-color", "--no-log-prefix", "--tail", LAST_LOG_LINES, container.service)
        lines = "\n".join(f"  | {line}" for line in said.splitlines()) or "  (it said nothing)"
        return f"{container.name} is not well ({container.status or container.state})\n{lines}"


def _behind_the_edge(url: str) -> str | None:
    """Ask whether the edge has found a process of a service: any answer but its own refusal is one."""
    answer = probes.http_ok(url)
    return answer if answer is not None and (answer.startswith(NOBODY_BEHIND) or not answer[:3].isdigit()) else None
