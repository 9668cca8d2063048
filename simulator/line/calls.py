"""The gate every API call passes: request id, token, faults, rate limit, body; then the endpoint's own work."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator.line import errors
from simulator.line.errors import LineError, OAuthError, body_errors
from simulator.metrics import API_CALLS, API_SECONDS
from simulator.webhooks.delivery import Dispatcher
from simulator.world.account import Account
from simulator.world.faults import FaultRule
from simulator.world.world import World

log = logging.getLogger(__name__)

MOST_BODY = 2 * 1024 * 1024
"""LINE: request bodies above 2 MB are answered 413."""
HANG_MS = 30_000

REFUSALS: dict[str, tuple[int, str]] = {
    "429_rate": (429, errors.RATE_LIMITED),
    "429_quota": (429, errors.QUOTA_EXHAUSTED),
    "429_concurrent": (429, errors.TOO_MANY_CONCURRENT),
    "429_same_user": (429, errors.SAME_USER),
    "500": (500, "Internal Server Error"),
    "503": (503, "Service Unavailable"),
    "401": (401, "Authentication failed due to the following reason: invalid token. "
                 "Confirm that the access token in the authorization header is valid."),
    "400": (400, "Failed to send messages"),
}  # fmt: skip
_MALFORMED = (b"{}", b"", b"<html>OK</html>", b'{"sentMessages":')


@dataclass(slots=True)
class Answer:
    """What an endpoint answers: JSON (dict) or bytes of `media_type`."""

    body: dict[str, Any] | bytes = field(default_factory=dict)
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False
    """Only half of the body leaves before the connection ends."""


@dataclass(slots=True)
class Call:
    """One call of an account, past the gate."""

    world: World
    dispatcher: Dispatcher
    account: Account
    request: Request
    api: str
    request_id: str
    raw: bytes = b""

    @property
    def path(self) -> dict[str, Any]:
        """Path parameters."""
        return self.request.path_params

    def query(self, name: str) -> str | None:
        """Return a query parameter."""
        return self.request.query_params.get(name)

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)

    def json(self) -> dict[str, Any]:
        """Return the JSON body.

        Raises:
            LineError: 415 for another content type, 400 where the body is no JSON object.
        """
        kind = (self.header("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise LineError(415, f"The content type, {kind or 'null'}, is not supported")
        try:
            body = orjson.loads(self.raw)
        except orjson.JSONDecodeError as error:
            place = f"(line: {error.lineno}, column: {error.colno})"
            raise LineError(400, f"The request body could not be parsed as JSON {place}") from None
        if not isinstance(body, dict):
            raise LineError(400, "The request body could not be parsed as JSON (line: 1, column: 1)")
        return body

    def body_value(self, name: str, kind: type[Any]) -> Any:
        """Return a required property of the JSON body, of this type."""
        value = self.json().get(name)
        if value is None:
            raise body_errors(("must be specified", name))
        if not isinstance(value, kind):
            raise errors.bad_property(name)
        return value


Handler = Callable[[Call], Awaitable[Answer] | Answer]


@dataclass(frozen=True, slots=True)
class Limit:
    """LINE: calls per period, for one channel and endpoint."""

    count: float
    seconds: float = 1.0


USUAL = Limit(2000)


def line_route(
    path: str, handler: Handler, api: str, method: str = "POST", limit: Limit = USUAL, *, reads_body: bool = True
) -> Route:
    """Make the route of one LINE endpoint. `api` names it in the accept log, in faults and in metrics."""
    bucket = f"{method} {path}"

    async def endpoint(request: Request) -> Response:
        world: World = request.app.state.world
        started = time.perf_counter()
        request_id = str(uuid.uuid4())
        try:
            answer = await _pass(request, world, request_id, bucket, handler, api, limit, reads_body)
        except LineError as error:
            answer = Answer(error.body(), error.status, headers=error.headers)
        API_CALLS.labels(api, str(answer.status)).inc()
        API_SECONDS.labels(api).observe(time.perf_counter() - started)
        return _respond(answer, request_id)

    return Route(path, endpoint, methods=[method])


def _respond(answer: Answer, request_id: str) -> Response:
    content = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
    headers = {"x-line-request-id": request_id, **answer.headers}
    kind = _CutOff if answer.cut_off else Response
    return kind(content, answer.status, headers, answer.media_type)


class _CutOff(Response):
    """Promises its whole body and ends the connection in the middle of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of it."""
        close = scope.get("musubi.close")
        if close is None:
            raise RuntimeError("connections can only be cut off under simulator.server")
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
        close()
        await asyncio.sleep(0)


async def _pass(
    request: Request,
    world: World,
    request_id: str,
    bucket: str,
    handler: Handler,
    api: str,
    limit: Limit,
    reads_body: bool,
) -> Answer:
    account = _authenticate(request, world)
    fault = world.faults.hit(api, account.slug)
    if fault is not None:
        await _before(fault)
    if not account.limits.take(bucket, limit.count, limit.seconds, world.rate_factor):
        raise LineError(429, errors.RATE_LIMITED)
    raw = await read_body(request) if reads_body else b""
    call = Call(world, request.app.state.dispatcher, account, request, api, request_id, raw)
    answer = handler(call)
    if not isinstance(answer, Answer):
        answer = await answer
    return answer if fault is None else await _after(fault, request, answer)


def _authenticate(request: Request, world: World) -> Account:
    header = request.headers.get("authorization")
    if not header:
        raise LineError(401, "Authentication failed due to the following reason: missing authorization header. "
                             "Confirm that the access token in the authorization header is valid.")  # fmt: skip
    scheme, _, token = header.partition(" ")
    slug = world.access.account_of(token.strip()) if scheme.lower() == "bearer" else None
    if slug is None:
        raise LineError(*REFUSALS["401"])
    return world.accounts[slug]


async def read_body(request: Request) -> bytes:
    """Return the whole body, refusing more than 2 MB before it is read."""
    if int(request.headers.get("content-length") or 0) > MOST_BODY:
        raise LineError(413, "Request exceeds the max size of 2MB. Make the request smaller than 2MB and try again.")
    body = await request.body()
    if len(body) > MOST_BODY:
        raise LineError(413, "Request exceeds the max size of 2MB. Make the request smaller than 2MB and try again.")
    return body


async def _before(fault: FaultRule) -> None:
    refusal = REFUSALS.get(fault.kind)
    if refusal is not None:
        await asyncio.sleep((fault.delay_ms or 0) / 1000)
        raise LineError(*refusal)
    if fault.kind == "slow":
        await asyncio.sleep((1000 if fault.delay_ms is None else fault.delay_ms) / 1000)


async def _after(fault: FaultRule, request: Request, answer: Answer) -> Answer:
    """Spoil the answer of a call whose effect stands."""
    if fault.kind == "accept_then_timeout":
        await asyncio.sleep((HANG_MS if fault.delay_ms is None else fault.delay_ms) / 1000)
    elif fault.kind == "accept_then_reset":
        abort = request.scope.get("musubi.abort")
        if abort is None:
            raise RuntimeError("connections can only be reset under simulator.server")
        abort()
        await asyncio.sleep(0)
    elif fault.kind == "cut_off":
        return replace(answer, cut_off=True)
    elif fault.kind == "malformed_2xx" and answer.status < 300:
        body = _MALFORMED[int(time.monotonic_ns() // 1000) % len(_MALFORMED)]
        return Answer(body, answer.status, answer.media_type, answer.headers)
    return answer


def oauth_route(path: str, handler: Callable[[Request], Awaitable[dict[str, Any]]], method: str = "POST") -> Route:
    """Make the route of an OAuth endpoint, which answers errors as `{"error", "error_description"}`."""

    async def endpoint(request: Request) -> Response:
        try:
            content, status = orjson.dumps(await handler(request)), 200
        except OAuthError as error:
            content, status = orjson.dumps({"error": error.error, "error_description": error.description}), error.status
        return Response(content, status, {"x-line-request-id": str(uuid.uuid4())}, "application/json")

    return Route(path, endpoint, methods=[method])
