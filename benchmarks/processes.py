"""Processes under test: servers that stay up for a benchmark, and consumers that run for one round."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cores import cpu_seconds, pinned
from benchmarks.measure import CannotRun, Sample
from deploy.local.errors import StackError, last_lines
from deploy.local.paths import CHECKOUT
from deploy.local.probes import Probe, http_ok, wait_for
from shared.testing.processes import free_port

START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Served:
    """A server that is up."""

    name: str
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """CPU seconds it has used."""
        return cpu_seconds(self.pid)


@contextmanager
def serving(
    module: str,
    cores: frozenset[int],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    listens: bool = False,
) -> Iterator[Served]:
    """Run `python -m module` on these cores for the length of the block, from when it is ready.

    It takes its port from PORT. One that is given an environment is a service: ready when its OPS_PORT says so, unless
    it is said that it is ready when it listens.

    Raises:
        StackError: it does not start; with its last log lines.
    """
    port, ops_port = free_port(), free_port()
    ports = {"PORT": str(port), "OPS_PORT": str(ops_port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    log = folder / f"{module}.log"
    with pinned(cores), log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], **ports, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    ready = _listens(port) if listens or environment is None else _ready(ops_port)
    try:
        _wait(module, ready, process, log)
        yield Served(module, port, process.pid)
    finally:
        _end(process)


def _ready(ops_port: int) -> Probe:
    return lambda: http_ok(f"http://127.0.0.1:{ops_port}/health/ready")


def _listens(port: int) -> Probe:
    def probe() -> str | None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            return error.strerror or error.__class__.__name__
        return None

    return probe


def _wait(module: str, ready: Probe, process: subprocess.Popen[bytes], log: Path) -> None:
    def ended() -> str | None:
        status = process.poll()
        return None if status is None else f"ended with status {status}"

    try:
        wait_for(ready, START_SECONDS, module, ended)
    except StackError as error:
        raise StackError(f"{error}\n{last_lines(log)}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_round(module: str, cores: frozenset[int], seconds: float, options: Mapping[str, Any]) -> Sample:
    """Run `python -m module` with its options as JSON until it prints what it did.

    Args:
        seconds: how long it should work; a minute more is given to begin and to end.

    Raises:
        CannotRun: it failed or did not come to an end.
    """
    command = [sys.executable, "-m", module, json.dumps(options)]
    try:
        with pinned(cores):
            done = subprocess.run(
                command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=seconds + START_SECONDS
            )
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{module} did not come to an end") from None
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"{module} ended with status {error.returncode}:\n{error.stderr[-2000:]}") from None
    return Sample(**json.loads(done.stdout.splitlines()[-1]))
