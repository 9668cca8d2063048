"""uvicorn with one addition: an endpoint can reset its connection, as a broken network does."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.settings import SimulatorSettings


class AbortableProtocol(HttpToolsProtocol):
    """Puts `musubi.abort` into the scope: it cuts the connection without an answer."""

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["musubi.abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]


def make_server(app: ASGIApp, settings: SimulatorSettings) -> uvicorn.Server:
    """Return the server of one process, not started."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=AbortableProtocol,
        loop="auto",
        ws="none",
        access_log=False,
        log_level=settings.log_level.lower(),
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    return uvicorn.Server(config)
