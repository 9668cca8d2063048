"""What the routes besides the hot path share: reading a JSON body, publishing a fact, trying but not insisting."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request

from services.ingest.bodies import Bodies
from services.ingest.webhook.api import Publisher, is_json
from services.ingest.webhook.model import trace
from shared.events import CommerceReceived, LinkClicked, SourceHit, encode
from shared.problems import Problem
from shared.producer import BrokerUnavailable, Record

TRY_SECONDS = 1.0
"""How long a person waits at most for a click or a hit to be recorded."""


class Lost(Protocol):
    """A counter of what could not be recorded."""

    def inc(self) -> None:
        """Count one."""


def fact(
    topic: str, event: CommerceReceived | LinkClicked | SourceHit, key: str | None, type_: str, request: Request
) -> Record:
    """Return the record of a fact, keyed by who it is about, else by its own id."""
    given = request.headers.get("traceparent")
    headers = (
        ("event-type", type_.encode()),
        ("event-id", event.id.encode()),
        ("traceparent", trace(given.encode() if given else None)),
    )
    return Record(topic, (key or event.id).encode(), encode(event), headers)


async def json_body(request: Request, bodies: Bodies) -> bytes:
    """Return the raw body of a JSON request.

    Raises:
        Problem: 415 for another media type, and what `Bodies.read` raises.
    """
    media_type = request.headers.get("content-type")
    if not is_json(media_type.encode("latin-1") if media_type else None):
        raise Problem("unsupported-media-type")
    length = request.headers.get("content-length")
    return await bodies.read(request.receive, length.encode("latin-1") if length else None)


async def try_to_record(publisher: Publisher, record: Record, lost: Lost) -> bool:
    """Publish for a person who waits: after a second they go on, and the loss is counted. True where it is stored."""
    try:
        await publisher.send_all([record], TRY_SECONDS)
    except BrokerUnavailable:
        lost.inc()
        return False
    return True
