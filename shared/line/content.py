"""What users sent: photos, videos, sounds, files (LINE platform §1.4). LINE deletes them after an unstated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp

from shared.clock import monotonic
from shared.line.answers import Answer, failure
from shared.line.outcomes import Failure, Unknown
from shared.line.transport import Call, Patience, Transport

Sink = Callable[[bytes], Awaitable[None]]
"""Takes the content piece by piece."""

PIECE_BYTES = 64 * 1024
DOWNLOAD = Patience(attempts=1, within=300, attempt=10)
"""`within` bounds the whole download, `attempt` the silence between two pieces."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The sink has all of it."""

    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Preparing:
    """LINE is not done with a large video or sound: ask again in some seconds (202)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """LINE has none: unknown id, or deleted after its time (404)."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """The user took the message back: delete what is kept of it (410)."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """More bytes than the caller allows."""


ContentOutcome = Downloaded | Preparing | Missing | Unsent | TooLarge | Failure


class Content:
    """Fetches user content."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def fetch(
        self,
        channel: str,
        message_id: str,
        sink: Sink,
        *,
        most_bytes: int,
        preview: bool = False,
        patience: Patience = DOWNLOAD,
    ) -> ContentOutcome:
        """Stream the content of a message into a sink, in one attempt.

        Only where the message's `contentProvider.type` is `line`. Unless the outcome is `Downloaded`, what the sink
        got is incomplete and must be thrown away.

        Args:
            channel: the account's slug.
            message_id: the message's id.
            sink: gets pieces of at most 64 KiB.
            most_bytes: stop when there is more.
            preview: the small image instead of the whole.
            patience: time limits.
        """
        path = f"{quote(message_id, safe='')}/content" + ("/preview" if preview else "")
        call = Call("content", "GET", f"{self._transport.data_url}/v2/bot/message/{path}", channel)
        timeout = aiohttp.ClientTimeout(total=patience.within, connect=patience.connect, sock_read=patience.attempt)
        started = monotonic()
        async with self._transport.request(call, timeout) as response:
            if isinstance(response, Unknown):
                outcome: ContentOutcome = response
                status: int | str = response.reason
                request_id = None
            else:
                outcome = await _take(response, sink, most_bytes)
                status, request_id = response.status, response.headers.get("x-line-request-id")
        self._transport.record(call, status, request_id, outcome, 1, monotonic() - started)
        return outcome


async def _take(response: aiohttp.ClientResponse, sink: Sink, most_bytes: int) -> ContentOutcome:
    request_id = response.headers.get("x-line-request-id")
    match response.status:
        case 200:
            return await _pour(response, sink, most_bytes)
        case 202:
            return Preparing()
        case 404:
            return Missing()
        case 410:
            return Unsent()
        case status if status >= 500:
            return Unknown("server_error", may_have_been_accepted=False, request_id=request_id)
    return failure(Answer(response.status, await _error_body(response), request_id))


async def _pour(response: aiohttp.ClientResponse, sink: Sink, most_bytes: int) -> ContentOutcome:
    size = 0
    pieces = response.content.iter_chunked(PIECE_BYTES)
    while True:
        try:
            piece = await anext(pieces, b"")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Unknown("connection_lost", may_have_been_accepted=False)
        if not piece:
            return Downloaded(response.content_type, size)
        size += len(piece)
        if size > most_bytes:
            return TooLarge()
        await sink(piece)


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.content.read(PIECE_BYTES)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""
