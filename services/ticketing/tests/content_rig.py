"""The content room on the real store and LINE's stand-in, with a clock that tests move."""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import yaml
from prometheus_client import CollectorRegistry

from services.ticketing.content.api import content_routes
from services.ticketing.content.fetching import ContentDesk, ContentMetrics
from services.ticketing.content.files import Files, GridFiles
from services.ticketing.content.model import Piece, piece_id
from services.ticketing.content.store import INDEXES, MongoPieces
from services.ticketing.messages.model import Message
from shared.api import create_api
from shared.auth import AdminKey, AdminKeys, Role
from shared.channels import Channels, load_channels
from shared.line.client import LineClient
from shared.line.content import Sink
from shared.mongo import Database, ensure_indexes
from shared.settings import LineSettings
from shared.testing.webhooks import account
from simulator.server import running
from simulator.settings import SimulatorSettings

MOST_BYTES = 400_000
SLUG = "cafe"


class Clock:
    """The present moment, with what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC).replace(microsecond=0) + self.ahead

    def seconds(self) -> float:
        return self().timestamp()

    def forward(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@dataclass
class Interrupted:
    """Files that call something after the first piece was written."""

    inner: Files
    call: Callable[[], Awaitable[Any]]

    @contextlib.asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Sink]:
        async with self.inner.writing(name) as write:

            async def sink(some: bytes) -> None:
                await write(some)
                await self.call()

            yield sink

    def reading(self, name: str) -> AsyncIterator[bytes]:
        return self.inner.reading(name)

    async def discard(self, name: str) -> None:
        await self.inner.discard(name)


@dataclass
class Rig:
    """One account, its friend, and everything of the content room."""

    database: Database
    line: LineClient
    channels: Channels
    url: str
    session: aiohttp.ClientSession
    clock: Clock
    user: str = ""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.pieces = MongoPieces(self.database)
        self.files: Files = GridFiles(self.database)
        self.desk = self.another_desk(registry=self.registry)

    def another_desk(self, files: Files | None = None, registry: CollectorRegistry | None = None) -> ContentDesk:
        """Another process of the same service."""
        return ContentDesk(
            self.pieces,
            files or self.files,
            self.line,
            self.channels,
            ContentMetrics(registry or CollectorRegistry()),
            most_bytes=MOST_BYTES,
            now=self.clock,
        )

    @property
    def contact(self) -> str:
        """The friend's contact."""
        return f"{SLUG}:{self.user}"

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Use the stand-in's control API."""
        async with self.session.request(method, f"{self.url}/control{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def send(self, kind: str = "image", data: bytes | None = None, **more: Any) -> str:
        """Let the friend send something; returns its message id."""
        if data is not None:
            more["data"] = base64.b64encode(data).decode()
        sent = await self.control("POST", f"/{SLUG}/users/{self.user}/{kind}", more)
        return str(sent["message_id"])

    async def unsend(self, message_id: str) -> None:
        """Let the friend take a message back, at LINE."""
        await self.control("POST", f"/{SLUG}/users/{self.user}/unsend", {"message_id": message_id})

    async def fault(self, kind: str, **more: Any) -> None:
        """Put a fault on LINE's content API."""
        await self.control("POST", "/faults", {"api": "content", "kind": kind, **more})

    def message(self, message_id: str, kind: str = "image", **payload: Any) -> Message:
        """The message as the desk keeps it."""
        provider = {} if kind == "file" else {"contentProvider": {"type": "line"}}
        return Message(message_id, SLUG, self.contact, "in", kind, self.clock(), payload={**provider, **payload})

    async def want(self, message_id: str, kind: str = "image", **payload: Any) -> None:
        """Tell the room of a message."""
        await self.desk.on_message(self.message(message_id, kind, **payload))

    async def fetch(self, message_id: str, desk: ContentDesk | None = None) -> Piece:
        """Make one attempt, and return what is known then."""
        await (desk or self.desk).fetch(piece_id(SLUG, message_id))
        return await self.piece(message_id)

    async def fetched(self, kind: str = "image", data: bytes | None = None, **more: Any) -> Piece:
        """Let the friend send something, and fetch it."""
        message_id = await self.send(kind, data, **more)
        await self.want(message_id, kind)
        return await self.fetch(message_id)

    async def piece(self, message_id: str) -> Piece:
        """What is known of a message's content."""
        piece = await self.pieces.get(SLUG, message_id)
        assert piece is not None
        return piece

    async def bytes_of(self, piece: Piece) -> bytes:
        """The kept bytes."""
        assert piece.blob is not None
        return b"".join([some async for some in self.files.reading(piece.blob)])

    async def stored(self) -> int:
        """How many files and chunks of files the store holds."""
        return sum([await self.database[f"content.{part}"].count_documents({}) for part in ("files", "chunks")])

    def count(self, name: str, **labels: str) -> float:
        """A metric of the desk."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def client(self, role: Role = "agent", channel: str = SLUG) -> httpx.AsyncClient:
        """A caller of the API."""
        token = f"mk_a_{role}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        keys = AdminKeys([AdminKey(id="a", sha256=digest, role=role, channels=[channel])])
        api = create_api("content", CollectorRegistry())
        api.include_router(content_routes(self.pieces, self.files, keys))
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://desk", headers=headers)


@contextlib.asynccontextmanager
async def content_rig(database: Database, folder: Path) -> AsyncIterator[Rig]:
    """Run the stand-in and everything around the room."""
    file = folder / "channels.yaml"
    file.write_text(yaml.safe_dump([account(SLUG)]), encoding="utf-8")
    channels, clock = load_channels(file), Clock()
    nowhere = SimulatorSettings(
        channels_file=file, port=0, webhook_base_url="http://127.0.0.1:9", redelivery=False, log_level="WARNING"
    )
    await ensure_indexes(database, INDEXES)
    async with running(nowhere, clock.seconds) as (url, _), aiohttp.ClientSession() as session:
        where = LineSettings(line_api_url=url, line_data_url=url)
        async with LineClient(where, channels, CollectorRegistry()) as line:
            rig = Rig(database, line, channels, url, session, clock)
            rig.user = (await rig.control("POST", "/users", {"count": 1}))["user_ids"][0]
            await rig.control("POST", f"/{SLUG}/users/{rig.user}/follow", {})
            yield rig
