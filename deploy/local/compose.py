"""The stack in containers (STACK=docker): the same verbs, given to `docker compose`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping

from deploy.local.errors import StackError
from deploy.local.paths import CHECKOUT

FILE = CHECKOUT / "docker-compose.yml"


def wanted() -> bool:
    """Say whether the environment asks for containers.

    Raises:
        StackError: STACK is set to something unknown.
    """
    stack = os.environ.get("STACK", "local")
    if stack not in {"local", "docker"}:
        raise StackError(f"STACK={stack} is unknown; it is `local` (without Docker) or `docker`")
    return stack == "docker"


def compose(*arguments: str) -> int:
    """Run `docker compose` on the project's file and return its exit status.

    Raises:
        StackError: there is no Docker, no compose plugin, no running engine, or no file.
    """
    if shutil.which("docker") is None:
        raise StackError("STACK=docker needs the `docker` command, which is not here; plain `make up` needs no Docker")
    if not FILE.is_file():
        raise StackError(f"STACK=docker needs {FILE.name} in {FILE.parent}, which is not there")
    for probe, missing in ((("compose", "version"), "the compose plugin"), (("info",), "a running engine")):
        if subprocess.run(["docker", *probe], capture_output=True, check=False).returncode != 0:
            raise StackError(f"STACK=docker needs {missing}: `docker {' '.join(probe)}` fails")
    return subprocess.run(["docker", "compose", "-f", str(FILE), *arguments], cwd=CHECKOUT, check=False).returncode


def up(counts: Mapping[str, int]) -> int:
    """Build, start, and wait until every container is healthy."""
    scales = [part for name, count in counts.items() for part in ("--scale", f"{name}={count}")]
    return compose("up", "--build", "--detach", "--wait", *scales)
