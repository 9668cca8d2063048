"""The public side's outermost layer: which door, the problem documents, the counting."""

from __future__ import annotations

import logging
import time

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest.bodies import ClientGone
from services.ingest.metrics import IngestMetrics
from services.ingest.webhook.api import PREFIX
from shared.ids import ulid
from shared.problems import TITLES, Problem, problem_response

logger = logging.getLogger(__name__)

WEBHOOK_ROUTE = "/webhook/{channel}"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CLIENT_GONE = 499
_SLUGS = {404: "not-found", 405: "method-not-allowed"}


class _Answer:
    """Watches what is sent: the status, and whether anything was."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class Front:
    """Serves a request by its door, answers problems, counts and times by route, never by path."""

    def __init__(self, webhook: ASGIApp, others: list[Route], metrics: IngestMetrics) -> None:
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
        webhook = scope["path"].startswith(PREFIX)
        answer = _Answer(send)
        self.in_flight += 1
        try:
            if webhook:
                await self._webhook(scope, receive, answer)
            else:
                scope["app"] = self._others  # makes the router raise what it cannot serve
                await self._others(scope, receive, answer)
        except ClientGone:
            answer.status = CLIENT_GONE
        except Exception as error:  # noqa: BLE001 - nothing may end as a bare 500 or a broken connection
            await _refuse(error, scope, receive, answer)
        finally:
            self.in_flight -= 1
            route = WEBHOOK_ROUTE if webhook else getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.answered(route, method, answer.status or CLIENT_GONE, time.monotonic() - started)


async def _refuse(error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
    """Answer with a short problem document that tells a stranger nothing but the kind of the error."""
    request_id = f"req_{ulid()}"
    if isinstance(error, HTTPException):
        error = Problem(_SLUGS.get(error.status_code, "bad-request"), headers=error.headers)
    if not isinstance(error, Problem):
        logger.error("request failed", exc_info=error, extra={"request_id": request_id})
        error = Problem("internal")
    if answer.status:
        return
    response = problem_response(error, request_id)
    if scope["method"] == "HEAD":
        response = Response(status_code=TITLES[error.slug][0], headers=error.headers)
    await response(scope, receive, answer)
