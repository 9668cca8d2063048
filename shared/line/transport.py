"""The way to LINE: one HTTP session, attempts with time limits, retries of the same bytes (design §6)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import aiohttp
from prometheus_client import CollectorRegistry
from yarl import URL

from shared.channels import Channels
from shared.clock import monotonic
from shared.line.answers import Answer
from shared.line.metrics import LineMetrics
from shared.line.outcomes import Unknown, outcome_name
from shared.settings import LineSettings

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

Gate = Callable[[int], Awaitable[bool]]
"""Awaited before each attempt with its number from 0: paces it (a token bucket) or, with False, forbids it."""

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take, in seconds; each retry waits about twice as long as the one before, from `backoff`."""

    attempts: int = 3
    within: float = 15.0
    attempt: float = 5.0
    connect: float = 2.0
    backoff: float = 0.25
    most_backoff: float = 4.0

    def pause(self, number: int) -> float:
        """Return the wait before attempt `number` (from 1): between half and the whole of the doubled backoff."""
        longest = min(self.most_backoff, self.backoff * 2.0 ** (number - 1))
        return longest * random.uniform(0.5, 1)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `repeatable`: a second attempt does no harm where the first may have been accepted."""

    api: str
    method: str
    url: str
    channel: str | None
    """Whose access token it carries; None for calls that carry none."""
    body: bytes | None = field(default=None, repr=False)
    content_type: str = JSON
    retry_key: str | None = None
    repeatable: bool = True
    recorded: bool = False
    """Its caller writes down what became of it: accepted, it is logged for debugging only."""


class Transport:
    """Carries calls of all channels over one session."""

    def __init__(
        self,
        settings: LineSettings,
        channels: Channels,
        registry: CollectorRegistry,
        patience: Patience,
        connections: int,
    ) -> None:
        self.api_url = settings.line_api_url
        self.data_url = settings.line_data_url
        self.channels = channels
        self._metrics = LineMetrics(registry)
        self._patience = patience
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session, in the running loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "Musubi"},
        )

    async def close(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def perform(
        self,
        call: Call,
        read: Callable[[Answer], ResultT],
        *,
        patience: Patience | None = None,
        gate: Gate | None = None,
        doubted: bool = False,
    ) -> ResultT | Unknown:
        """Make a call and read its answer; the same bytes again after a time-out, a reset or a 5xx.

        Args:
            call: what to send.
            read: turns an answer below 500 into the result.
            patience: the time limits, else the client's.
            gate: asked before each attempt.
            doubted: whether an attempt made elsewhere earlier may have been accepted.

        Raises:
            KeyError: the channel is not configured: a bug of the caller.
        """
        started = monotonic()
        answer, attempts = await self._persist(call, patience or self._patience, gate, doubted)
        result = answer if isinstance(answer, Unknown) else read(answer)
        status = answer.reason if isinstance(answer, Unknown) else answer.status
        self.record(call, status, answer.request_id, result, attempts, monotonic() - started)
        return result

    async def _persist(
        self, call: Call, patience: Patience, gate: Gate | None, doubted: bool
    ) -> tuple[Answer | Unknown, int]:
        ends: float | None = None
        unknown = Unknown("held_back", doubted)
        for number in range(patience.attempts):
            if number and not await _wait(patience.pause(number), ends):
                return unknown, number
            if gate is not None and not await gate(number):
                return unknown, number
            now = monotonic()
            ends = now + patience.within if ends is None else ends
            if now >= ends:
                return unknown, number
            answer = await self._attempt(call, patience, min(patience.attempt, ends - now))
            if isinstance(answer, Answer):
                return replace(answer, doubted=doubted), number + 1
            doubted = doubted or answer.may_have_been_accepted
            unknown = replace(answer, may_have_been_accepted=doubted)
            if doubted and not call.repeatable:
                return unknown, number + 1
        return unknown, patience.attempts

    async def _attempt(self, call: Call, patience: Patience, seconds: float) -> Answer | Unknown:
        timeout = aiohttp.ClientTimeout(total=seconds, connect=min(patience.connect, seconds))
        async with self.request(call, timeout) as response:
            if isinstance(response, Unknown):
                return response
            request_id = response.headers.get("x-line-request-id")
            if response.status >= 500:
                return Unknown("server_error", may_have_been_accepted=True, request_id=request_id)
            body = await _read(response)
            if body is None and call.method == "GET":
                return Unknown("connection_lost", may_have_been_accepted=False, request_id=request_id)
            accepted = response.headers.get("x-line-accepted-request-id")
            return Answer(response.status, body or b"", request_id, accepted)

    @contextlib.asynccontextmanager
    async def request(
        self, call: Call, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse | Unknown]:
        """Send a call once; yields the response with its body unread, or why there is none.

        Raises:
            KeyError: the channel is not configured.
            RuntimeError: the client has not been entered.
        """
        if self._session is None:
            raise RuntimeError("the LINE client must be entered (`async with`) before it is called")
        request = self._session.request(
            call.method,
            URL(call.url, encoded=True),
            data=call.body,
            headers=self._headers(call),
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            response = await request
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            yield _no_answer(error)
            return
        async with response:
            yield response

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {}
        if call.channel is not None:
            headers["authorization"] = f"Bearer {self.channels[call.channel].access_token.get_secret_value()}"
        if call.body is not None:
            headers["content-type"] = call.content_type
        if call.retry_key is not None:
            headers["x-line-retry-key"] = call.retry_key
        return headers

    def record(
        self, call: Call, status: int | str, request_id: str | None, result: object, attempts: int, seconds: float
    ) -> None:
        """Count and log how a call ended: no token, user id or text."""
        outcome = outcome_name(result)
        self._metrics.calls.labels(call.api, outcome).inc()
        self._metrics.seconds.labels(call.api).observe(seconds)
        if attempts > 1:
            self._metrics.retries.labels(call.api).inc(attempts - 1)
        level = _level(call, outcome)
        if not logger.isEnabledFor(level):
            return
        fields = {
            "api": call.api,
            "channel": call.channel,
            "status": status,
            "outcome": outcome,
            "request_id": request_id,
            "seconds": round(seconds, 4),
        }
        logger.log(level, "called LINE", extra=fields)


def _level(call: Call, outcome: str) -> int:
    if outcome in ("unknown", "unauthorised"):
        return logging.WARNING
    return logging.DEBUG if call.recorded and outcome == "accepted" else logging.INFO


async def _wait(seconds: float, ends: float | None) -> bool:
    """Wait, unless the call's time would be over before."""
    if ends is not None and monotonic() + seconds >= ends:
        return False
    await asyncio.sleep(seconds)
    return True


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body; None where it breaks off: the status has arrived and says what LINE did."""
    try:
        return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def _no_answer(error: Exception) -> Unknown:
    """Say why there is no response. Without a connection LINE cannot have got the call."""
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return Unknown("no_connection", may_have_been_accepted=False)
    if isinstance(error, TimeoutError):
        return Unknown("timeout", may_have_been_accepted=True)
    return Unknown("connection_lost", may_have_been_accepted=True)
