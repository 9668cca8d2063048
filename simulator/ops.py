"""Health and metrics."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.metrics import PENDING, PEOPLE, REGISTRY, WEBHOOKS


async def live(request: Request) -> Response:
    """The loop turns."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Webhooks can be sent and calls answered."""
    if not request.app.state.ready:
        return JSONResponse({"status": "starting"}, 503)
    return JSONResponse({"status": "ok", "accounts": list(request.app.state.world.accounts)})


async def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    dispatcher = request.app.state.dispatcher
    PENDING.set(dispatcher.pending)
    PEOPLE.set(len(request.app.state.world.people))
    for outcome in ("sent", "ok", "failed", "redelivered", "abandoned"):
        WEBHOOKS.labels(outcome).set(dispatcher.counts[outcome])
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


ROUTES: list[BaseRoute] = [
    Route("/health/live", live),
    Route("/health/ready", ready),
    Route("/metrics", metrics),
]
