"""The composition root of LINE's stand-in."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from simulator import ops
from simulator.acting.browser import Browser
from simulator.background import Background
from simulator.control import chats, crowds, oracle, users
from simulator.line import audiences, bot, content, counts, insight, menus, narrowcast, oauth, pages, sending
from simulator.line import users as line_users
from simulator.settings import SimulatorSettings
from simulator.webhooks.delivery import Dispatcher
from simulator.world.world import World


async def to_phone(request: Request) -> Response:
    """Send a browser to the phone page."""
    return RedirectResponse("/phone/")


def routes() -> list[BaseRoute]:
    """Return every route, the busiest first; fixed words come before path parameters."""
    return [
        *sending.ROUTES,
        *line_users.ROUTES,
        *menus.ROUTES,
        *narrowcast.ROUTES,
        *counts.ROUTES,
        *content.ROUTES,
        *bot.ROUTES,
        *insight.ROUTES,
        *audiences.ROUTES,
        *oauth.ROUTES,
        *pages.ROUTES,
        *oracle.ROUTES,
        *chats.ROUTES,
        *users.ROUTES,
        *crowds.ROUTES,
        *ops.ROUTES,
        Route("/", to_phone),
        Route("/phone", to_phone),
        Mount("/phone", StaticFiles(packages=[("simulator", "phone")], html=True)),
    ]


async def not_found(request: Request, error: Exception) -> Response:
    """Answer unknown addresses as LINE does."""
    return JSONResponse({"message": "Not found"}, 404, {"x-line-request-id": str(uuid.uuid4())})


def create_app(settings: SimulatorSettings, now: Callable[[], float] = time.time) -> Starlette:
    """Wire the stand-in; `now` is its clock in UNIX seconds.

    Raises:
        BadFile: the channels file does not hold what it must.
    """
    world = World(settings, now)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        dispatcher = app.state.dispatcher = Dispatcher(world)
        own = settings.public_url or f"http://{settings.host}:{settings.port}"
        browser = app.state.browser = Browser(own, _browser_hosts(settings))
        background = app.state.background = Background()
        await dispatcher.start()
        await browser.start()
        app.state.ready = True
        try:
            yield
        finally:
            app.state.ready = False
            await background.stop()
            await browser.stop()
            await dispatcher.stop()

    app = Starlette(routes=routes(), lifespan=lifespan, exception_handlers={404: not_found})
    app.state.world = world
    app.state.ready = False
    return app


def _browser_hosts(settings: SimulatorSettings) -> set[str]:
    named = {host.strip() for host in settings.browser_hosts.split(",") if host.strip()}
    webhook_host = urlsplit(settings.webhook_base_url).hostname
    return named | ({webhook_host} if webhook_host else set())
