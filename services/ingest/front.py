"""The public side's outermost layer: which door, the problem documents, the counting."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from services.ingest.bodies import ClientGone
from services.ingest.metrics import IngestMetrics
from services.ingest.webhook.api import PREFIX
from shared.ids import ulid
from shared.problems import Problem, problem_response

logger = logging.getLogger(__name__)

WEBHOOK_ROUTE = "/webhook/{channel}"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CLIENT_GONE = 499
_SLUGS = {404: "not-found", 405: "method-not-allowed"}


Door = Callable[[Scope, Receive, Send], Awaitable[int]]
"""Answers a request and returns the status, or raises a Problem before anything is sent."""


class Front:
    """Serves a request by its door, answers problems, counts and times by route, never by path."""

    def __init__(self, webhook: Door, others: list[Route], metrics: IngestMetrics) -> None:
        self._webhook, self._metrics = webhook, metrics
        # The bare router: Starlette's application would answer errors in its own words.
        self._others = Router(others, redirect_slashes=False)
        self.in_flight = 0
        metrics.in_flight.set_function(lambda: self.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        started = time.monotonic()
        self.in_flight += 1
        try:
            if scope["path"].startswith(PREFIX):
                status, route = await self._serve(self._webhook, scope, receive, send), WEBHOOK_ROUTE
            else:
                scope["app"] = self._others  # makes the router raise what it cannot serve
                status = await self._serve(self._answered_by_others, scope, receive, send)
                route = getattr(scope.get("route"), "path", "unmatched")
        finally:
            self.in_flight -= 1
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.answered(route, method, status, time.monotonic() - started)

    async def _serve(self, door: Door, scope: Scope, receive: Receive, send: Send) -> int:
        try:
            return await door(scope, receive, send)
        except ClientGone:
            return CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - nothing may end as a bare 500 or a broken connection
            return await _refuse(error, scope, receive, send)

    async def _answered_by_others(self, scope: Scope, receive: Receive, send: Send) -> int:
        status = CLIENT_GONE

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._others(scope, receive, note)
        return status


async def _refuse(error: Exception, scope: Scope, receive: Receive, send: Send) -> int:
    """Answer with a short problem document that tells a stranger nothing but the kind of the error."""
    request_id = f"req_{ulid()}"
    if isinstance(error, HTTPException):
        error = Problem(_SLUGS.get(error.status_code, "bad-request"), headers=error.headers)
    if not isinstance(error, Problem):
        logger.error("request failed", exc_info=error, extra={"request_id": request_id})
        error = Problem("internal")
    response = problem_response(error, request_id)
    if scope["method"] == "HEAD":
        response = Response(status_code=error.status, headers=error.headers)
    await response(scope, receive, send)
    return error.status
