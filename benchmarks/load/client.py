"""A load generator in a process of its own: as fast as answers come, or at a fixed pace whatever the answers do.

At a pace, a request's time counts from when it was due, not from when a connection was free: a server that stalls
delays every request due meanwhile, and all of them must show it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
GRACE_SECONDS = 3.0
TICK_SECONDS = 0.001


class _Run:
    """What all connections share: the requests, those due, the times of those answered."""

    def __init__(self, requests: list[bytes], connections: int, pace: float | None) -> None:
        self._requests, self._next = requests, 0
        self._connections = connections
        self.paced = pace is not None
        self.due: deque[float] = deque()
        self.idle: deque[_Connection] = deque()
        self.times: list[float] = []
        self.refused = self.lost = 0
        self.ending = False
        self.answered = asyncio.Event()
        """Set once nothing is due or on its way, after the end."""

    def request(self) -> bytes:
        """Return the next request."""
        self._next = (self._next + 1) % len(self._requests)
        return self._requests[self._next]

    def feed(self, connection: _Connection) -> None:
        """Let a free connection go on."""
        if self.paced and self.due:
            connection.send(self.due.popleft())
        elif self.paced or self.ending:
            self.idle.append(connection)
            if self.ending and len(self.idle) == self._connections:
                self.answered.set()
        else:
            connection.send(time.perf_counter())

    def serve_due(self) -> None:
        """Give what is due to connections that wait."""
        while self.due and self.idle:
            self.idle.popleft().send(self.due.popleft())


class _Connection(asyncio.Protocol):
    """One request at a time; answers are read by their Content-Length."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the start."""
        self._transport = cast(asyncio.Transport, transport)
        self._run.idle.append(self)

    def send(self, since: float) -> None:
        """Send a request whose time counts from `since`."""
        self._since = since
        self._transport.write(self._run.request())

    def data_received(self, data: bytes) -> None:
        """Take an answer, whole or in parts."""
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0 or self._since is None:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        if len(self._buffer) < end + len(_HEAD_END) + (int(length[1]) if length else 0):
            return
        self._run.times.append(time.perf_counter() - self._since)
        if not self._buffer.startswith(b"HTTP/1.1 2"):
            self._run.refused += 1
        self._buffer, self._since = b"", None
        self._run.feed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what is not answered any more."""
        if self._since is not None:
            self._run.lost += 1


async def generate(port: int, requests: list[bytes], connections: int, seconds: float, pace: float | None) -> _Run:
    """Send for so many seconds, then wait a little for the last answers.

    Args:
        pace: requests a second; None: each connection sends its next one as soon as it has its answer.
    """
    loop = asyncio.get_running_loop()
    run = _Run(requests, connections, pace)
    opened = [await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port) for _ in range(connections)]
    started = time.perf_counter()
    if pace is None:
        for _ in range(connections):
            run.feed(run.idle.popleft())
        await asyncio.sleep(seconds)
    else:
        await _keep_pace(run, started, seconds, pace)
    run.ending = True
    if len(run.idle) < connections:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.answered.wait(), GRACE_SECONDS)
    for transport, _ in opened:
        transport.abort()
    return run


async def _keep_pace(run: _Run, started: float, seconds: float, pace: float) -> None:
    sent = 0
    while sent < pace * seconds:
        while sent < pace * seconds and (moment := started + sent / pace) <= time.perf_counter():
            run.due.append(moment)
            sent += 1
        run.serve_due()
        await asyncio.sleep(TICK_SECONDS)


def main() -> None:
    """Read the options (JSON) and print what came of it in one line."""
    options = json.loads(sys.argv[1])
    files = sorted(Path(options["requests"]).glob("*.http"))
    requests = [file.read_bytes() for file in files]
    started = time.perf_counter()
    run = uvloop.run(
        generate(options["port"], requests, options["connections"], options["seconds"], options.get("pace"))
    )
    seconds = max(options["seconds"], time.perf_counter() - started) if run.paced else options["seconds"]
    times = sorted(run.times) or [0.0]
    counted = {"answered": len(run.times), "refused": run.refused, "lost": run.lost + len(run.due), "seconds": seconds}
    told = {"p50_ms": times[len(times) // 2], "p99_ms": times[int(len(times) * 0.99)], "worst_ms": times[-1]}
    sys.stdout.write(json.dumps(counted | {name: value * 1e3 for name, value in told.items()}) + "\n")


if __name__ == "__main__":
    main()
