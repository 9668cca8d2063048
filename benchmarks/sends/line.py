"""LINE's multicast as a stand-in that costs little: it answers after LATENCY_MS, knows retry keys, refuses above RATE.

`GET /tally` says what it has seen since the last `POST /reset`: accepted, duplicates, refused, people, the seconds from
the first accepted request to the last, and the longest without one. A request above a token bucket of RATE a second
that holds BURST is answered 429.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import orjson
import uvloop

HEAD_END = b"\r\n\r\n"


@dataclass
class Tally:
    """What was seen."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    people: int = 0
    seconds: float = 0.0
    longest_gap: float = 0.0


@dataclass
class Line:
    """LINE's memory and its limit; a rate of 0 is none."""

    rate: float
    burst: float
    tally: Tally = field(default_factory=Tally)
    _keys: set[bytes] = field(default_factory=set)
    _tokens: float = 0.0
    _at: float = 0.0
    _first: float = 0.0
    _last: float = 0.0

    def multicast(self, key: bytes, body: bytes) -> tuple[int, bytes]:
        """Take a call; returns status and body."""
        if not self._take():
            self.tally.refused += 1
            return 429, b'{"message":"The API rate limit has been exceeded. Try again later."}'
        if key in self._keys:
            self.tally.duplicates += 1
            return 409, b'{"message":"The retry key is already accepted"}'
        self._keys.add(key)
        self.tally.accepted += 1
        self.tally.people += len(orjson.loads(body)["to"])
        self._note_time()
        return 200, b"{}"

    def _take(self) -> bool:
        if not self.rate:
            return True
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _note_time(self) -> None:
        now = time.monotonic()
        if self._first:
            self.tally.longest_gap = max(self.tally.longest_gap, now - self._last)
        self._first, self._last = self._first or now, now
        self.tally.seconds = self._last - self._first


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection without pipelining."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the transport: there is nobody to answer."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer once the whole request is there."""
        self._waiting += data
        head, found, rest = self._waiting.partition(HEAD_END)
        if not found:
            return
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n"))}
        if len(rest) < int(headers.get(b"content-length", b"0")):
            return
        self._waiting = b""
        status, body, wait = self._server.answer(head.split(b" ", 2), headers.get(b"x-line-retry-key", b""), rest)
        asyncio.get_running_loop().call_later(wait, self._write, status, body)

    def _write(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = f"HTTP/1.1 {status} Text\r\ncontent-type: application/json\r\nx-line-request-id: r\r\n"
            self._transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)


class Server:
    """Routes."""

    def __init__(self, latency: float, rate: float, burst: float) -> None:
        self._latency = latency
        self._limits = (rate, burst)
        self._line = Line(rate, burst)

    def answer(self, request: list[bytes], key: bytes, body: bytes) -> tuple[int, bytes, float]:
        """Return status, body and how long to wait before they are sent."""
        path = request[1]
        if path == b"/v2/bot/message/multicast":
            return *self._line.multicast(key, body), self._latency
        if path == b"/reset":
            self._line = Line(*self._limits)
        return 200, orjson.dumps(asdict(self._line.tally)), 0.0


async def main() -> None:
    """Serve on PORT until ended."""
    latency = float(os.environ.get("LATENCY_MS", "50")) / 1000
    server = Server(latency, float(os.environ.get("RATE", "0")), float(os.environ.get("BURST", "20")))
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", int(os.environ["PORT"]))
    await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
