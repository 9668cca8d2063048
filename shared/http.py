"""The HTTP chassis: APIs for staff, the ops side every process has, and serving both (design §9, §10)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import uvicorn
import uvloop
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shared.channels import BadFile
from shared.connections import bounded, end_late, room_for_connections
from shared.logs import configure_logging
from shared.settings import BAD_SETTINGS_EXIT, ServiceSettings, load_settings

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else a short reason for people, without secrets."""

CHECK_SECONDS = 2.0
LOOP_STALL_SECONDS = 10.0
TICKS = 5
"""Late connections are looked for at every fifth of uvicorn's ten ticks a second."""


@dataclass
class Health:
    """What a process says of itself: readiness by named checks, liveness by a turning loop and living consumers."""

    ready: dict[str, Check] = field(default_factory=dict)
    live: dict[str, Check] = field(default_factory=dict)
    draining: bool = False

    async def problems(self, checks: Mapping[str, Check]) -> dict[str, str]:
        """Run the checks side by side, two seconds at most, and return the reasons of those that fail."""

        async def run(check: Check) -> str | None:
            try:
                return await asyncio.wait_for(check(), CHECK_SECONDS)
            except TimeoutError:
                return f"no answer within {CHECK_SECONDS:g} s"
            except Exception as error:  # noqa: BLE001 - a failing check is an unhealthy one, whatever it raised
                return error.__class__.__name__

        reasons = await asyncio.gather(*(run(check) for check in checks.values()))
        return {name: reason for name, reason in zip(checks, reasons, strict=True) if reason is not None}


def _health_route(path: str, health: Health, checks: Mapping[str, Check], readiness: bool) -> Route:
    async def answer(_: Request) -> Response:
        reasons = await health.problems(checks)
        if readiness and health.draining:
            reasons["process"] = "shutting down"
        status = "unavailable" if reasons else "ok"
        return JSONResponse({"status": status, "problems": reasons}, 503 if reasons else 200)

    return Route(path, answer, methods=["GET", "HEAD"])


def ops_app(health: Health, registry: CollectorRegistry) -> Starlette:
    """Return the app of the ops port: `/health/live`, `/health/ready`, `/metrics`."""
    ready = Gauge("service_ready", "1 while a check of /health/ready passes.", ["check"], registry=registry)

    async def metrics(request: Request) -> Response:
        reasons = await health.problems(health.ready)
        for check in health.ready:
            ready.labels(check).set(check not in reasons)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(
        routes=[
            _health_route("/health/live", health, health.live, readiness=False),
            _health_route("/health/ready", health, health.ready, readiness=True),
            Route("/metrics", metrics, methods=["GET"]),
        ]
    )


@dataclass(frozen=True)
class Application:
    """A wired process: its public ASGI app, its health, its metrics, and what runs behind them."""

    name: str
    api: ASGIApp
    health: Health
    registry: CollectorRegistry
    lifespan: Callable[[], AbstractAsyncContextManager[None]]
    """Starts what runs behind; leaving it drains and closes it. It must not wait for a server that is down."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS == 0:
            end_late(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SystemExit(f"port {port} of {host} cannot be used: {error.strerror}") from None
    return sock


def _server(app: ASGIApp) -> _Server:
    config = uvicorn.Config(
        app,
        lifespan="off",
        http=bounded(room_for_connections()),
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        # Nothing here asks for the caller's address, and nothing speaks WebSocket: each would cost every request.
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        backlog=2048,
    )
    return _Server(config)


@contextlib.asynccontextmanager
async def _watch_loop(health: Health) -> AsyncIterator[None]:
    """Make liveness fail when the event loop stalls: the heartbeat is a task of that very loop."""
    beat = time.monotonic()

    async def heart() -> None:
        nonlocal beat
        while True:
            beat = time.monotonic()
            await asyncio.sleep(1)

    async def check() -> str | None:
        stalled = time.monotonic() - beat
        return None if stalled < LOOP_STALL_SECONDS else f"event loop stalled for {stalled:.0f} s"

    health.live.setdefault("loop", check)
    task = asyncio.create_task(heart())
    try:
        yield
    finally:
        task.cancel()


async def serve(app: Application, host: str, port: int, ops_port: int) -> None:
    """Serve a process until SIGTERM or SIGINT: readiness turns red, requests are finished, what runs behind drains.

    The ports listen before anything else is up, so that a process whose Kafka or store is down is alive, not ready.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    api, ops = _server(app.api), _server(ops_app(app.health, app.registry))
    sockets = [_listen(host, port), _listen(host, ops_port)]
    async with _watch_loop(app.health):
        serving = asyncio.create_task(api.serve(sockets=sockets[:1]))
        watching = asyncio.create_task(ops.serve(sockets=sockets[1:]))
        async with app.lifespan():
            logger.info("started", extra={"port": port, "ops_port": ops_port})
            await stop.wait()
            logger.info("stopping")
            app.health.draining = True
            # Requests under way are answered before what they need is closed.
            api.should_exit = True
            await serving
        ops.should_exit = True
        await watching
    logger.info("stopped")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def main(service: str, kind: type[SettingsT], create: Callable[[SettingsT], Application]) -> None:
    """Run a service: read its settings, log as JSON, wire it, serve it.

    Wrong settings or files end the process with status 2 and a line that says which.
    """
    settings = load_settings(kind, service)
    configure_logging(service, settings.log_level)
    uvloop.run(_create_and_serve(service, settings, create))


async def _create_and_serve(service: str, settings: SettingsT, create: Callable[[SettingsT], Application]) -> None:
    try:
        app = create(settings)
    except BadFile as error:
        sys.stderr.write(f"{service} cannot start: {error}\n")
        raise SystemExit(BAD_SETTINGS_EXIT) from None
    await serve(app, settings.host, settings.port, settings.ops_port)
