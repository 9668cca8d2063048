"""Load on a server: wrk where it is installed, for it costs a tenth of the CPU; else the client of this folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import pinned
from benchmarks.measure import CannotRun, Sample
from benchmarks.processes import Served
from deploy.local.paths import CHECKOUT

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 64
MORE_SECONDS = 30.0


@dataclass(frozen=True)
class Answers:
    """What came of a load; `refused` of the answered had no 2xx, `lost` got no answer."""

    answered: int
    refused: int
    lost: int
    seconds: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


def generator() -> str:
    """Return what makes the load as fast as answers come."""
    return "wrk" if shutil.which("wrk") else "benchmarks.load.client"


def saturate(server: Served, requests: Path, seconds: float, cores: frozenset[int]) -> Sample:
    """Send on 64 connections as fast as answers come; the sample holds what was answered with 2xx.

    Raises:
        CannotRun: more was refused or lost than a moment of overload explains.
    """
    before = server.cpu_seconds()
    answers = overload(server, requests, seconds, cores, CONNECTIONS)
    return _sample(server, answers, server.cpu_seconds() - before)


def overload(server: Served, requests: Path, seconds: float, cores: frozenset[int], connections: int) -> Answers:
    """Send as fast as answers come, whatever they are."""
    if generator() == "wrk":
        # wrk takes whole seconds only.
        duration = f"-d{max(1, round(seconds))}s"
        url = f"http://127.0.0.1:{server.port}"
        command = ["wrk", "-t1", f"-c{connections}", duration, "-s", str(SCRIPT), url, "--", str(requests)]
    else:
        command = _client(server, requests, seconds, None, connections)
    return _run(command, seconds, cores)


def pace(server: Served, requests: Path, seconds: float, cores: frozenset[int], rate: float) -> Sample:
    """Send this many requests a second whatever the answers do; the notes hold p50, p99 and worst in milliseconds.

    Raises:
        CannotRun: more was refused or lost than a moment of overload explains.
    """
    before = server.cpu_seconds()
    answers = _run(_client(server, requests, seconds, rate), seconds, cores)
    return _sample(server, answers, server.cpu_seconds() - before)


def _client(
    server: Served, requests: Path, seconds: float, rate: float | None, connections: int = CONNECTIONS
) -> list[str]:
    options = {"port": server.port, "requests": str(requests), "connections": connections}
    options |= {"seconds": seconds} | ({"pace": rate} if rate is not None else {})
    return [sys.executable, "-m", "benchmarks.load.client", json.dumps(options)]


def _run(command: list[str], seconds: float, cores: frozenset[int]) -> Answers:
    try:
        with pinned(cores):
            done = subprocess.run(
                command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=seconds + MORE_SECONDS
            )
    except subprocess.TimeoutExpired:
        raise CannotRun("the load generator did not come to an end") from None
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"the load generator ended with status {error.returncode}:\n{error.stderr[-2000:]}") from None
    return Answers(**json.loads(done.stdout.splitlines()[-1]))


def _sample(server: Served, answers: Answers, cpu: float) -> Sample:
    served = answers.answered - answers.refused
    if answers.refused + answers.lost > served:
        raise CannotRun(f"{server.name} answered {served}, refused {answers.refused}, lost {answers.lost}")
    notes = {"p50_ms": answers.p50_ms, "p99_ms": answers.p99_ms, "worst_ms": answers.worst_ms}
    notes |= {"refused": answers.refused, "lost": answers.lost}
    return Sample(served, answers.seconds, cpu, notes)
