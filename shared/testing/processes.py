"""Real processes for tests: a service as it runs in production, on free ports, ended with the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp

from shared.testing.waiting import eventually

STOP_SECONDS = 30.0


def free_port() -> int:
    """Return a port of the loopback that nothing uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServiceProcess:
    """`python -m services.NAME` with its addresses."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path, *arguments: str) -> None:
        port, ops_port = free_port(), free_port()
        self.url, self.ops_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ops_port}"
        self._command = [sys.executable, "-m", module, *arguments]
        self._log = log
        self._environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(port),
            "OPS_PORT": str(ops_port),
            "PUBLIC_URL": self.url,
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8")

    @property
    def ended(self) -> bool:
        """Whether it was started and is gone."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start it; does not wait for it to be ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                self._command,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Return its exit status once it has ended."""
        assert self._process is not None
        process = self._process
        await eventually(lambda: process.poll() is not None, seconds)
        return process.wait()

    async def ready(self, seconds: float = 30.0) -> None:
        """Wait until it says that it is ready."""
        await eventually(lambda: self.answers("/health/ready"), seconds)

    async def live(self, seconds: float = 30.0) -> None:
        """Wait until it says that it is alive."""
        await eventually(lambda: self.answers("/health/live"), seconds)

    async def answers(self, path: str) -> bool:
        """Whether its ops side answers 200 there."""
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError, OSError):
            timeout = aiohttp.ClientTimeout(total=5)
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self.ops_url + path) as answer:
                return answer.status == 200
        return False

    def end(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()


@contextlib.asynccontextmanager
async def running(module: str, environment: Mapping[str, str], log: Path) -> AsyncIterator[ServiceProcess]:
    """Run a service for the length of the block, from when it is alive."""
    process = ServiceProcess(module, environment, log)
    process.start()
    try:
        await process.live()
        yield process
    finally:
        process.end()
