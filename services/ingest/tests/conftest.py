"""Ingest wired with a publisher that remembers, driven as ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest

from services.ingest.app import create_app
from services.ingest.bodies import Bodies
from services.ingest.settings import IngestSettings
from shared.http import Application
from shared.producer import BrokerUnavailable, Record
from shared.testing.webhooks import CALLBACK_SECRET, IngestFiles, account, write_files

LIFF_DESTINATION = "U" + "1" * 32
LIFF_ACCOUNT_SECRET = "e" * 32
CALLBACKS = [{"slug": "shop", "kind": "orders", "channel": "coffee", "secrets": [CALLBACK_SECRET]}]


class MemoryPublisher:
    """Keeps what was published; `down` makes it a broker that does not acknowledge."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.timeouts: list[float] = []
        self.down = False

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        self.timeouts.append(timeout)
        if self.down:
            raise BrokerUnavailable("down")
        self.records.extend(records)


@dataclass
class Answer:
    """What came back over bare ASGI."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Ingest:
    """The wired service and its one client."""

    def __init__(self, app: Application, publisher: MemoryPublisher, client: httpx.AsyncClient) -> None:
        self.app, self.publisher, self.client = app, publisher, client

    async def call(
        self,
        path: str,
        headers: Sequence[tuple[bytes, bytes]],
        receive: Callable[[], Any],
        method: str = "POST",
    ) -> Answer:
        """Serve a request whose body arrives as the test wants."""
        answer = Answer()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message.get("body", b"")

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": list(headers),
        }
        await asyncio.wait_for(self.app.api(scope, receive, send), 20)
        return answer

    def metrics(self) -> str:
        """Return the metrics page."""
        return generate_latest(self.app.registry).decode()


@pytest.fixture
def files(tmp_path: Path) -> IngestFiles:
    liff = account("liff", liff_id="1234567890-abcdefgh", login_channel_id="1234567890", language="ja")
    liff |= {"destination": LIFF_DESTINATION, "channel_secret": LIFF_ACCOUNT_SECRET}
    return write_files(tmp_path, [account("coffee"), liff], CALLBACKS)


@pytest.fixture
def settings(files: IngestFiles) -> IngestSettings:
    return IngestSettings(
        kafka_url="127.0.0.1:1",
        channels_file=files.channels,
        callbacks_file=files.callbacks,
        link_key_file=files.link_keys,
        public_url="https://crm.example.com",
        line_api_url="http://127.0.0.1:1",
        liff_url="https://liff.example.com",
        line_me_url="https://me.example.com",
    )


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
async def ingest(settings: IngestSettings, publisher: MemoryPublisher) -> AsyncIterator[Ingest]:
    app = create_app(settings, publisher=publisher, bodies=Bodies(seconds=0.3))
    transport = httpx.ASGITransport(app.api)
    async with httpx.AsyncClient(transport=transport, base_url="https://crm.example.com") as client:
        yield Ingest(app, publisher, client)
