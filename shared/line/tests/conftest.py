"""A server that answers byte for byte what a test scripts: what a well-behaved HTTP library cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from shared.channels import Channel, Channels
from shared.line.client import LineClient
from shared.line.transport import Patience
from shared.settings import LineSettings

SWIFT = Patience(attempts=3, within=20.0, attempt=5.0, connect=5.0, backoff=0.005, most_backoff=0.02)
HASTY = replace(SWIFT, attempt=0.3)


@dataclass
class Got:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Reply:
    """One scripted reaction: `hang` answers never, `reset` cuts at once, `cut` promises more body than it sends."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"x-line-request-id": "req-1"})
    kind: str = "answer"


class FakeLine:
    """Answers each request with the next scripted reply; the last one stays."""

    def __init__(self) -> None:
        self.script: list[Reply] = [Reply()]
        self.got: list[Got] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, *script: Reply) -> None:
        self.script = list(script)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.got.append(await _request(reader))
                reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if not await _react(reply, reader, writer):
                    break
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Got(method, path, headers, body)


async def _react(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    if reply.kind == "hang":
        await reader.read()
        return False
    if reply.kind == "reset":
        writer.transport.abort()
        return False
    length = len(reply.body) + (100 if reply.kind == "cut" else 0)
    headers = {"content-type": "application/json", "content-length": str(length), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Text", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body)
    await writer.drain()
    if reply.kind == "cut":
        writer.transport.abort()
    return reply.kind == "answer"


class FakeClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
async def fake_line() -> AsyncIterator[FakeLine]:
    fake = FakeLine()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with server:
        yield fake


def make_channel(slug: str = "north", **changes: Any) -> Channel:
    digit = "1" if slug == "north" else "2"
    values: dict[str, Any] = {
        "slug": slug,
        "name": slug.title(),
        "destination": "U" + digit * 32,
        "basic_id": f"@{slug}",
        "channel_secret": "s" * 32,
        "access_token": f"token-of-{slug}",
        "login_channel_id": "1650000001",
        "timezone": "Asia/Taipei",
        "language": "zh-TW",
    }
    return Channel(**(values | changes))


@pytest.fixture
def channels() -> Channels:
    return Channels([make_channel(), make_channel("south", login_channel_id=None)])


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def line(
    fake_line: FakeLine, channels: Channels, registry: CollectorRegistry, clock: FakeClock
) -> AsyncIterator[LineClient]:
    settings = LineSettings(line_api_url=fake_line.url, line_data_url=fake_line.url)
    async with LineClient(settings, channels, registry, patience=SWIFT, now=clock) as client:
        yield client


@pytest.fixture
async def hasty(fake_line: FakeLine, channels: Channels, clock: FakeClock) -> AsyncIterator[LineClient]:
    """A client for tests in which the server hangs: it gives an attempt 0.3 s."""
    settings = LineSettings(line_api_url=fake_line.url, line_data_url=fake_line.url)
    async with LineClient(settings, channels, CollectorRegistry(), patience=HASTY, now=clock) as client:
        yield client


@pytest.fixture
def reply() -> Callable[..., Reply]:
    """Make a scripted reply: `reply(400, {"message": …})`, `reply(kind="hang")`."""

    def make(status: int = 200, body: Any = b"{}", kind: str = "answer", **headers: str) -> Reply:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status, raw, {"x-line-request-id": "req-1", **named}, kind)

    return make


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """Return the fields of what the client logged."""
    caplog.set_level(logging.INFO, "shared.line")
    return lambda: [vars(record) for record in caplog.records if record.name == "shared.line.transport"]
