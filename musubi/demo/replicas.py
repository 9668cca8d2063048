"""Processes that join, are killed and leave in the middle of the story, where something supervises them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Protocol

from deploy.local import probes
from deploy.local.paths import Home
from deploy.local.progress import Progress
from deploy.local.stack import Stack
from deploy.local.supervision import Supervisor
from musubi.demo.containers import ContainerReplicas
from musubi.demo.errors import StoryError
from musubi.demo.stack_file import StackFile
from musubi.demo.waiting import BACK_SECONDS, until

GIVEN = {"kafka": "KAFKA_URL", "mongo": "MONGO_URL"}


class Replicas(Protocol):
    """What the story needs of a supervisor."""

    async def prepare(self) -> None:
        """Bring the stack to the state in which adding a process changes nothing else."""

    async def join(self, service: str) -> str:
        """Start more processes of a service; return their names once they are ready."""

    async def kill(self, service: str) -> str:
        """Kill -9 one of the service's first processes and return its name at once."""

    async def until_back(self, name: str) -> None:
        """Wait until the killed process was started again and is ready.

        Raises:
            StoryError: it is not, in a minute.
        """

    async def leave(self) -> None:
        """Stop the processes that joined; nothing happens where none did."""


class LocalReplicas:
    """The processes of the local stack, through its supervisor."""

    def __init__(self, file: StackFile, progress: Progress) -> None:
        self._file = file
        self._home = Home(file.path.parent)
        self._stack = Stack(self._home, progress)
        self._before: dict[str, int] = {}
        self._killed: dict[str, int] = {}

    async def prepare(self) -> None:
        """Bring the stack up as it is: processes whose settings this checkout has changed restart now, not later."""
        await asyncio.to_thread(self._up, {})

    async def join(self, service: str) -> str:
        """Bring the stack up with one more process of the service."""
        count = len(self._file.ops(service))
        self._before.setdefault(service, count)
        await asyncio.to_thread(self._up, {service: count + 1})
        return f"{service}-{count + 1}"

    async def kill(self, service: str) -> str:
        """Kill -9 the service's first process."""
        name = f"{service}-1"
        pid = self._stack.supervisor.states()[name].pid
        if pid is None:
            raise StoryError(f"{name} does not run: it cannot be killed")
        self._killed[name] = pid
        os.kill(pid, signal.SIGKILL)
        return name

    async def until_back(self, name: str) -> None:
        """Wait until another process runs under this name and is ready."""
        if not await until(lambda: asyncio.to_thread(self._is_back, name), BACK_SECONDS):
            raise StoryError(f"{name} was killed and is not back after {BACK_SECONDS:.0f} s; see `make logs`")

    def _is_back(self, name: str) -> bool:
        state = self._stack.supervisor.states()[name]
        service, _, number = name.rpartition("-")
        ready = probes.http_ok(self._file.ops(service)[int(number) - 1] + "/health/ready") is None
        return ready and state.up and state.pid != self._killed[name]

    async def leave(self) -> None:
        """Bring the stack back to the numbers of processes it had."""
        if self._before:
            await asyncio.to_thread(self._up, dict(self._before))
            self._before.clear()

    def _up(self, counts: dict[str, int]) -> None:
        """Bring the stack up on the servers it has, whatever this shell's environment gives."""
        own = self._stack.supervisor.states()
        for server, variable in GIVEN.items():
            if server in own:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = self._file.facts[server]
        self._stack.up(counts)


def find_replicas(path: Path, progress: Progress) -> Replicas | None:
    """Return what supervises the stack of a stack.json; None where its processes are not of this machine's making."""
    if StackFile(path).facts.get("containers"):
        return ContainerReplicas(StackFile(path), progress)
    if not Supervisor(Home(path.parent)).runs():
        return None
    return LocalReplicas(StackFile(path), progress)
