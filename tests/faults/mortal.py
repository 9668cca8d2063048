"""A service that dies at a given step: `python -m tests.faults.mortal services.NAME`. No switch in the product.

Every call that changes something outside the process is two steps, one before and one after it: writes to the store
(leases aside), publishing, calling LINE, committing offsets. Steps are counted from SIGUSR1 on and told, a line each,
in the file that MORTAL_STEPS names: `before members.insert_one #1` is the first of its kind. At the one that MORTAL_AT
names the process is gone.
"""

from __future__ import annotations

import functools
import os
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiokafka import AIOKafkaConsumer
from motor.motor_asyncio import AsyncIOMotorCollection

from shared.producer import Producer
from shared.schedule import COLLECTION as LEASES

WRITES = (
    "insert_one",
    "insert_many",
    "update_one",
    "update_many",
    "find_one_and_update",
    "replace_one",
    "bulk_write",
    "delete_one",
    "delete_many",
)
KILLED = 137

Call = Callable[..., Any]
Naming = Callable[..., str | None]
"""Names a call by its arguments; None: no step."""


class Steps:
    """Counts steps once it is armed, and ends the process at the one given."""

    def __init__(self, at: str, told: Path) -> None:
        self._at = at
        self._told = told
        self._counts: Counter[str] = Counter()
        self._armed = False

    def arm(self, *_: object) -> None:
        """Count from now on."""
        self._armed = True
        self._tell("armed")

    def take(self, name: str) -> None:
        """Take a step, perhaps the last."""
        if not self._armed:
            return
        self._counts[name] += 1
        step = f"{name} #{self._counts[name]}"
        self._tell(step)
        if step == self._at:
            os._exit(KILLED)

    def _tell(self, line: str) -> None:
        with self._told.open("a", encoding="utf-8") as told:
            told.write(line + "\n")

    def around(self, owner: type, method: str, naming: Naming) -> None:
        """Make every call of a method two steps."""
        original: Call = getattr(owner, method)

        @functools.wraps(original)
        async def stepped(*args: Any, **kwargs: Any) -> Any:
            name = naming(*args, **kwargs)
            if name is None:
                return await original(*args, **kwargs)
            self.take(f"before {name}")
            result = await original(*args, **kwargs)
            self.take(f"after {name}")
            return result

        stepping: Callable[..., Coroutine[Any, Any, Any]] = stepped
        setattr(owner, method, stepping)


def _write(method: str) -> Naming:
    def name(collection: Any, *_: Any, **__: Any) -> str | None:
        return None if collection.name == LEASES else f"{collection.name}.{method}"

    return name


def _line(_: Any, method: str, url: Any, **__: Any) -> str:
    parts = urlsplit(str(url)).path.split("/")[3:]
    return f"LINE {method} {parts[1] if parts[0] == 'message' else parts[0]}"


def _publish(_: Any, records: Any, *__: Any, **___: Any) -> str:
    return "publish " + "+".join(sorted({record.topic for record in records}))


def make_mortal(steps: Steps) -> None:
    """Put steps around whatever leaves the process."""
    for method in WRITES:
        steps.around(AsyncIOMotorCollection, method, _write(method))
    steps.around(Producer, "send_all", _publish)
    steps.around(aiohttp.ClientSession, "_request", _line)
    steps.around(AIOKafkaConsumer, "commit", lambda *_, **__: "commit")


def main(module: str) -> None:
    """Run a service until it ends or dies."""
    steps = Steps(os.environ["MORTAL_AT"], Path(os.environ["MORTAL_STEPS"]))
    make_mortal(steps)
    signal.signal(signal.SIGUSR1, steps.arm)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
