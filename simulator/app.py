"""The composition root of LINE's stand-in."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from simulator import ops
from simulator.control import crowds, oracle, users
from simulator.line import menus, sending
from simulator.line import users as line_users
from simulator.settings import SimulatorSettings
from simulator.webhooks.delivery import Dispatcher
from simulator.world.world import World


def routes() -> list[BaseRoute]:
    """Return every route, the busiest first; fixed words come before path parameters."""
    return [
        *sending.ROUTES,
        *line_users.ROUTES,
        *menus.ROUTES,
        *users.ROUTES,
        *crowds.ROUTES,
        *oracle.ROUTES,
        *ops.ROUTES,
    ]


def create_app(settings: SimulatorSettings, now: Callable[[], float] = time.time) -> Starlette:
    """Wire the stand-in; `now` is its clock in UNIX seconds.

    Raises:
        BadFile: the channels file does not hold what it must.
    """
    world = World(settings, now)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        dispatcher = app.state.dispatcher = Dispatcher(world)
        await dispatcher.start()
        app.state.ready = True
        try:
            yield
        finally:
            app.state.ready = False
            await dispatcher.stop()

    app = Starlette(routes=routes(), lifespan=lifespan)
    app.state.world = world
    app.state.ready = False
    return app
