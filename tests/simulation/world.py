"""Networks and their trouble: every call between a process and a server passes here, and all randomness comes from it.

A call arrives after a while, is applied, and its answer takes another while. Trouble can strike at each point: refused,
lost on the way, applied but unanswered, or applied long after its caller gave up.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.simulation.loop import Process, VirtualLoop

LATENCIES = (0.001, 0.001, 0.002, 0.002, 0.005, 0.02)
LATE = (0.5, 2.0, 6.0, 9.0)
PATIENCE = 1.0
"""Virtual seconds after which a caller learns that no answer comes."""

Fate = str
FATES: tuple[Fate, ...] = ("refused", "lost", "unanswered", "late")


class Violation(AssertionError):
    """What must never happen has happened."""


class World:
    """The seed's randomness, the loop, the trace, and what is wrong with the servers just now."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.loop = VirtualLoop(self.rng)
        self.trace: list[tuple[Any, ...]] = []
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.trouble: dict[str, float] = {}
        """By server the share of calls that trouble strikes."""
        self.down: set[str] = set()
        self.on_the_way = 0
        self.channels: Any = None
        """What the processes know of LINE accounts."""
        self.at_call: dict[tuple[str, int], Callable[[], None]] = {}
        """What strikes a process with its n-th call, by its name and n."""

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self.loop.time()

    def latency(self) -> float:
        """Draw how long a call or its answer is on the way."""
        return LATENCIES[int(self.rng.random() * len(LATENCIES))]

    def note(self, *facts: Any) -> None:
        """Add a line to the trace."""
        self.trace.append((self.now, *facts))

    def fail(self, kind: str, *facts: Any) -> None:
        """Note a violation."""
        self.violations.append(f"{kind}: " + " ".join(map(str, facts)))
        self.note("VIOLATION", kind, *facts)

    def digest(self) -> str:
        """Hash of everything that happened, in its order."""
        return hashlib.sha256(repr((self.trace, self.loop.steps)).encode()).hexdigest()

    def fate(self, server: str) -> Fate | None:
        """Draw what becomes of a call; None where it goes well."""
        if server in self.down:
            return "refused" if self.rng.random() < 0.7 else "lost"
        share = self.trouble.get(server, 0.0)
        return self.rng.choice(FATES) if share and self.rng.random() < share else None

    def call(
        self,
        process: Process,
        server: str,
        what: str,
        apply: Callable[[], Any],
        trouble: Callable[[], Exception],
        *,
        late: bool = True,
    ) -> asyncio.Future[Any]:
        """Carry a call to a server; its answer, or the error of it, arrives in the returned future.

        Args:
            process: the caller.
            server: `store`, `broker` or `line`.
            what: for the trace.
            apply: does it, at once and whole; its value or exception is the answer.
            trouble: makes the error that stands for "not known whether it was done".
            late: whether it may be applied after its caller gave up; not where a connection keeps calls in order.
        """
        if process.dead:
            raise asyncio.CancelledError
        process.calls += 1
        answer: asyncio.Future[Any] = self.loop.create_future()
        fate = self.fate(server)
        if fate == "late" and not late:
            fate = "unanswered"
        there = self.latency()
        self.note(process.name, what, fate)
        if fate is not None:
            self.counts[f"{server} {fate}"] += 1
        if fate in {"refused", "lost"}:
            wait = there if fate == "refused" else PATIENCE
            self.loop.on_server(wait, self._answer, answer, trouble())
        else:
            if fate is not None:
                self.loop.on_server(PATIENCE, self._answer, answer, trouble())
            if fate == "late":
                there = self.rng.choice(LATE)
            self.on_the_way += 1
            self.loop.on_server(there, self._apply, answer, apply, fate)
        struck = self.at_call.pop((process.name, process.calls), None)
        if struck is not None:
            self.loop.on_server(there + self.rng.choice((-0.0005, 0.0, 0.0005)), struck)
        return answer

    def _apply(self, answer: asyncio.Future[Any], apply: Callable[[], Any], fate: Fate | None) -> None:
        self.on_the_way -= 1
        try:
            value = apply()
        except Violation:
            raise
        except Exception as error:  # noqa: BLE001 - the server's answer
            value = error
        if fate is None:
            if isinstance(value, asyncio.Future):
                value.add_done_callback(lambda done: self._answer(answer, done.result()), context=self.loop.server)
            else:
                self.loop.on_server(self.latency(), self._answer, answer, value)

    @staticmethod
    def _answer(answer: asyncio.Future[Any], value: Any) -> None:
        if answer.done():
            return
        if isinstance(value, Exception):
            answer.set_exception(value)
        else:
            answer.set_result(value)
