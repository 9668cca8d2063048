"""uvicorn with one addition: an endpoint can reset its connection, as a broken network does."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.app import create_app
from simulator.settings import SimulatorSettings


class AbortableProtocol(HttpToolsProtocol):
    """Puts `musubi.abort` into the scope: it cuts the connection without an answer; and `musubi.close`: after what was
    sent."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["musubi.abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]
        self.scope["musubi.close"] = self.transport.close  # type: ignore[typeddict-unknown-key]


def config_for(app: ASGIApp, settings: SimulatorSettings) -> uvicorn.Config:
    """Return uvicorn's configuration of the stand-in; open event streams do not hold up its end."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=AbortableProtocol,
        loop="auto",
        ws="none",
        access_log=False,
        log_level=settings.log_level.lower(),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
    )


class _GuestServer(uvicorn.Server):
    """A server inside somebody else's process: it leaves the signals alone and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening."""
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running(
    settings: SimulatorSettings, now: Callable[[], float] = time.time
) -> AsyncIterator[tuple[str, Starlette]]:
    """Run the stand-in inside this loop and yield its base URL and app; port 0 takes a free port."""
    with socket.create_server((settings.host, settings.port)) as listener:
        # asyncio leaves Nagle's algorithm on for sockets made this way, which costs 40 ms an answer.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = listener.getsockname()[1]
        placed = settings.model_copy(update={"port": port})
        app = create_app(placed, now)
        server = _GuestServer(config_for(app, placed))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.up.wait()
        try:
            yield f"http://{settings.host}:{port}", app
        finally:
            server.should_exit = True
            await serving
