"""Reading request bodies: capped while they arrive, in time, and only so many at once."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import Any

from starlette.types import Receive

from shared.problems import Problem

MAX_BODY = 1024 * 1024
MAX_BODIES = 1024
MAX_BYTES = 64 * 1024 * 1024
BODY_SECONDS = 2.0
"""LINE itself gives up after two seconds."""
LOOK_SECONDS = 0.1
"""How often late bodies are looked for: a timer for each would cost every webhook 6 µs, and nearly none is late."""

CLOSE = {"connection": "close"}
"""The rest of a refused body is not read: the connection cannot be used again."""


DIGITS = 12


class ClientGone(Exception):
    """The client closed the connection before its body was complete."""


class Bodies:
    """Reads bodies for a process and bounds what they hold together."""

    def __init__(
        self,
        *,
        max_body: int = MAX_BODY,
        max_bodies: int = MAX_BODIES,
        max_bytes: int = MAX_BYTES,
        seconds: float = BODY_SECONDS,
    ) -> None:
        self._max_body, self._max_bodies, self._max_bytes = max_body, max_bodies, max_bytes
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        """Until when each may read; all have as long, so the first one is due first."""
        self._late: set[asyncio.Task[Any]] = set()
        self._look: asyncio.TimerHandle | None = None
        self._bytes = 0

    async def read(self, receive: Receive, declared: bytes | None) -> bytes:
        """Return the body; `declared` is the Content-Length header, where there is one.

        Raises:
            Problem: 413 over the cap, before reading where the header says so; 408 when it takes too long; 503 when too
                many bodies are arriving.
            ClientGone: there is nobody left to answer.
        """
        if declared is not None and _length(declared) > self._max_body:
            raise Problem("too-large", headers=CLOSE)
        if len(self._reading) >= self._max_bodies:
            raise Problem("unavailable", headers=CLOSE)
        task = self._begin()
        body = bytearray()
        try:
            return await self._collect(receive, body)
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel():
                raise
            raise Problem("timeout", headers=CLOSE) from None
        finally:
            del self._reading[task]
            self._late.discard(task)
            self._bytes -= len(body)

    def _begin(self) -> asyncio.Task[Any]:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "bodies are read in tasks"
        self._reading[task] = loop.time() + self._seconds
        if self._look is None:
            self._look = loop.call_later(LOOK_SECONDS, self._end_late)
        return task

    def _end_late(self) -> None:
        """Interrupt what has read for too long."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [task for task, _ in takewhile(lambda each: each[1] <= now, self._reading.items())]:
            self._late.add(task)
            task.cancel()
        self._look = loop.call_later(LOOK_SECONDS, self._end_late) if self._reading else None

    async def _collect(self, receive: Receive, body: bytearray) -> bytes:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) + len(chunk) > self._max_body:
                raise Problem("too-large", headers=CLOSE)
            if not more and not body:
                return chunk
            body += chunk
            self._bytes += len(chunk)
            if not more:
                return bytes(body)
            if self._bytes > self._max_bytes:
                raise Problem("unavailable", headers=CLOSE)


def _length(declared: bytes) -> int:
    """Read a Content-Length; what is no number is left to the count of what arrives."""
    return int(declared[:DIGITS]) if declared.isdigit() else 0
