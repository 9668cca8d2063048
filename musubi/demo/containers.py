"""Processes that join, are killed and leave in the middle of the story, where each is a container."""

from __future__ import annotations

import asyncio

from deploy.docker.stack import ContainerStack
from deploy.local import probes
from deploy.local.paths import Home
from deploy.local.progress import Progress
from musubi.demo.errors import StoryError
from musubi.demo.stack_file import StackFile
from musubi.demo.waiting import BACK_SECONDS, until

JOINING = 2


class ContainerReplicas:
    """The processes of the stack in containers, through Docker (`musubi.demo.replicas.Replicas`)."""

    def __init__(self, file: StackFile, progress: Progress) -> None:
        self._file = file
        self._stack = ContainerStack(Home(file.path.parent), progress)
        self._before: dict[str, int] = {}

    async def prepare(self) -> None:
        """Look where everything is: adding a container leaves the others as they are."""
        await asyncio.to_thread(self._stack.refresh)

    async def join(self, service: str) -> str:
        """Scale the service up by two."""
        count = len(self._file.ops(service))
        self._before.setdefault(service, count)
        await asyncio.to_thread(self._stack.scale, service, count + JOINING)
        return " and ".join(f"{service}-{number}" for number in range(count + 1, count + JOINING + 1))

    async def kill(self, service: str) -> str:
        """Kill -9 the process in the service's first container, and start that again."""
        name = f"{service}-1"
        await asyncio.to_thread(self._stack.kill, name)
        return name

    async def until_back(self, name: str) -> None:
        """Wait until the container is ready again, wherever its ports are now."""
        if not await until(lambda: asyncio.to_thread(self._is_back, name), BACK_SECONDS):
            raise StoryError(f"{name} was killed and is not back after {BACK_SECONDS:.0f} s; see `make logs`")

    def _is_back(self, name: str) -> bool:
        self._stack.refresh()
        address = self._stack.ops(name)
        return address is not None and probes.http_ok(address + "/health/ready") is None

    async def leave(self) -> None:
        """Scale back to the numbers of containers there were."""
        for service, count in self._before.items():
            await asyncio.to_thread(self._stack.scale, service, count)
        self._before.clear()
