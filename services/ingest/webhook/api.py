"""POST /webhook/{channel}: raw ASGI, because this is the hot path (performance D1 to D3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from starlette.types import Message, Receive, Scope, Send

from services.ingest.accounts import Account, Accounts
from services.ingest.bodies import Bodies
from services.ingest.metrics import IngestMetrics
from services.ingest.webhook.model import (
    BadBody,
    Signer,
    TooManyEvents,
    envelope,
    prepare,
    split,
    trace,
)
from shared.clock import rfc3339, to_millis
from shared.problems import Problem
from shared.producer import BrokerUnavailable, Record, RecordTooLarge
from shared.topics import LINE_EVENTS

logger = logging.getLogger(__name__)

PREFIX = "/webhook/"
ANSWER_SECONDS = 1.3
"""From the request's start to giving up on the broker: LINE gives up on us after two seconds."""
LEAST_SECONDS = 0.1

OK: tuple[Message, Message] = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body", "body": b""},
)


class Publisher(Protocol):
    """What ingest needs of the producer."""

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Return when the broker has all records; raise BrokerUnavailable when that is not known in time."""


class _Headers(NamedTuple):
    media_type: bytes | None
    length: bytes | None
    signatures: list[bytes]
    traceparent: bytes | None


class Webhook:
    """Takes LINE's webhooks: nothing is answered 200 before the broker has every event of the body."""

    def __init__(
        self,
        accounts: Accounts,
        publisher: Publisher,
        bodies: Bodies,
        metrics: IngestMetrics,
        now: Callable[[], datetime],
    ) -> None:
        self._accounts, self._publisher, self._bodies = accounts, publisher, bodies
        self._metrics = metrics
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer one request with 200 and return that.

        Raises:
            Problem: what to answer instead of 200. Before a right signature only the path, the method, the media type
                and the length are judged.
        """
        started = time.monotonic()
        account = self._accounts.get(scope["path"][len(PREFIX) :])
        if account is None:
            raise Problem("not-found")
        if scope["method"] != "POST":
            raise Problem("method-not-allowed", headers={"allow": "POST"})
        headers = _read_headers(scope["headers"])
        if not is_json(headers.media_type):
            raise Problem("unsupported-media-type")
        body = await self._bodies.read(receive, headers.length)
        self._verify(account, body, headers.signatures)
        await self._publish(account, body, headers.traceparent, started)
        for message in OK:
            await send(message)
        return 200

    def _verify(self, account: Account, body: bytes, signatures: list[bytes]) -> None:
        if len(signatures) != 1:
            raise Problem("bad-signature")
        if account.signer.signed(body, signatures[0]):
            return
        if any(Signer(secret).signed(body, signatures[0]) for secret in account.previous_secrets(self._now())):
            self._metrics.previous_secret.labels(account.slug).inc()
            return
        raise Problem("bad-signature")

    async def _publish(self, account: Account, body: bytes, traceparent: bytes | None, started: float) -> None:
        now = self._now()
        self._metrics.webhook_bytes.inc(len(body))
        try:
            raw_events = split(body, account.destination)
        except BadBody:
            raise Problem("bad-request") from None
        except TooManyEvents:
            raise Problem("too-large") from None
        if not raw_events:
            return
        beginning = envelope(account.slug, account.destination, rfc3339(now))
        traced = trace(traceparent)
        millis = to_millis(now)
        events = [prepare(raw, account.slug, beginning, millis, traced) for raw in raw_events]
        records = [Record(LINE_EVENTS, event.key, event.value, event.headers) for event in events]
        await publish_in_time(self._publisher, records, started)
        for event in events:
            self._metrics.published(event.type)
            if event.late:
                self._metrics.late_events.inc()


async def publish_in_time(publisher: Publisher, records: Sequence[Record], started: float) -> None:
    """Publish within `ANSWER_SECONDS` of the request's start.

    Raises:
        Problem: 503 when the broker is not known to have them, 413 when they can never be stored.
    """
    left = max(LEAST_SECONDS, started + ANSWER_SECONDS - time.monotonic())
    try:
        await publisher.send_all(records, left)
    except BrokerUnavailable:
        raise Problem("unavailable", headers={"retry-after": "1"}) from None
    except RecordTooLarge:
        raise Problem("too-large") from None


def is_json(media_type: bytes | None) -> bool:
    """Whether a Content-Type is JSON, whatever its parameters."""
    return media_type is not None and media_type.partition(b";")[0].strip().lower() == b"application/json"


def _read_headers(headers: Sequence[tuple[bytes, bytes]]) -> _Headers:
    media_type = length = traceparent = None
    signatures = []
    for name, value in headers:
        if name == b"x-line-signature":
            signatures.append(value)
        elif name == b"content-type":
            media_type = value
        elif name == b"content-length":
            length = value
        elif name == b"traceparent":
            traceparent = value
    return _Headers(media_type, length, signatures, traceparent)
