"""The FastAPI chassis of the services that answer staff: problem details, request ids, metrics (design §9, §12)."""

from __future__ import annotations

import base64
import binascii
import logging
import time
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, Histogram
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.clock import read_moment
from shared.consumer.records import WorldDown
from shared.ids import ulid
from shared.mongo import is_unavailable
from shared.problems import TITLES, Problem, problem_response
from shared.producer_lanes import BrokerUnavailable

logger = logging.getLogger(__name__)


def _read_moment(text: object) -> object:
    if not isinstance(text, str):
        raise ValueError("is no moment")
    try:
        return read_moment(text)
    except ValueError:
        raise ValueError("is no moment with an offset, such as 2026-12-31T23:59:00+08:00, and no date") from None


_SLUGS = {status: slug for slug, (status, _) in TITLES.items()}
Moment = Annotated[datetime, BeforeValidator(_read_moment)]
"""A field or parameter that takes RFC 3339 with an offset, or a date in UTC."""
Limit = Annotated[int, Query(ge=1, le=200, description="items a page")]


class RequestLog:
    """Gives each request an id (or keeps the caller's), counts and times it by route, never by path."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._count = Counter("http_requests", "Requests answered.", ["route", "method", "status"], registry=registry)
        self._seconds = Histogram("http_request_seconds", "Time to answer.", ["route", "method"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        scope.setdefault("state", {})["request_id"] = request_id = f"req_{ulid()}"
        started = time.monotonic()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not any(name == b"x-request-id" for name, _ in message["headers"]):
                    message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in {"GET", "PUT", "POST", "PATCH", "DELETE"} else "other"
            self._count.labels(route, method, status).inc()
            self._seconds.labels(route, method).observe(time.monotonic() - started)


def _answer(request: Request, problem: Problem) -> Response:
    return problem_response(problem, request.state.request_id)


async def _on_problem(request: Request, error: Exception) -> Response:
    return _answer(request, error if isinstance(error, Problem) else Problem("internal"))


async def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answer(request, Problem(_SLUGS.get(status, "bad-request"), headers=headers))


async def _on_invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {"pointer": "/" + "/".join(str(part) for part in problem["loc"]), "detail": str(problem["msg"])}
        for problem in problems
    ]
    if any(problem["type"] == "json_invalid" for problem in problems):
        return _answer(request, Problem("bad-request", "the body is no valid JSON"))
    return _answer(request, Problem("invalid", errors=errors))


async def _on_error(request: Request, error: Exception) -> Response:
    if is_unavailable(error) or isinstance(error, BrokerUnavailable | WorldDown):
        return _answer(request, Problem("unavailable", "try again in a moment", headers={"retry-after": "2"}))
    logger.error("request failed", exc_info=error, extra={"request_id": request.state.request_id})
    return _answer(request, Problem("internal", "quote the request id when you report this"))


class _CatchAll:
    """Answers what no handler caught, inside the request log, so that the answer has its id and is counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            response = await _on_error(Request(scope), error)
            await response(scope, receive, send)


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    kind: {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for kind, description in (("4XX", "Refused; `type` and `errors` say why."), ("5XX", "Not now; try again."))
}
"""What every operation may answer besides its own (RFC 9457). FastAPI would describe a 422 of another form."""


def create_api(title: str, registry: CollectorRegistry) -> FastAPI:
    """Return a FastAPI app with OpenAPI at `/docs`, problem details for every error, ids and metrics for requests."""
    api = FastAPI(
        title=title, version="1", docs_url="/docs", redoc_url=None, openapi_url="/openapi.json", responses=_REFUSALS
    )
    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(HTTPException, _on_http)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_middleware(_CatchAll)
    api.add_middleware(RequestLog, registry=registry)
    return api


def encode_cursor(position: list[Any]) -> str:
    """Turn the sort key of a page's last item into an opaque cursor."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, length: int) -> list[Any] | None:
    """Read a cursor back: a list of `length` strings or numbers.

    Raises:
        Problem: 422 where it is none of ours.
    """
    if cursor is None:
        return None
    try:
        position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        position = None
    if not isinstance(position, list) or len(position) != length:
        raise Problem("invalid", errors=[{"pointer": "/query/cursor", "detail": "is no cursor of this list"}])
    if not all(isinstance(part, str | int | float) for part in position):
        raise Problem("invalid", errors=[{"pointer": "/query/cursor", "detail": "is no cursor of this list"}])
    return position
