"""From a webhook's raw body to records: the signature, the split, the envelope. Pure."""

from __future__ import annotations

import hashlib
import hmac
import random
import re
from base64 import b64encode
from typing import Any, NamedTuple

import msgspec

from shared.ids import event_id

MAX_EVENTS = 10_000
"""LINE names no limit; a body of 1 MiB cannot hold this many real events."""
LATE_MS = 7 * 24 * 3600 * 1000
HEADER_CHARS = 256
_BLOCK = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class BadBody(ValueError):
    """A signed body is no webhook of this account."""


class TooManyEvents(ValueError):
    """A signed body holds more events than are taken at once."""


class _Body(msgspec.Struct):
    destination: str
    events: list[msgspec.Raw]


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    user_id: str = ""
    group_id: str = ""
    room_id: str = ""


class _Delivery(msgspec.Struct, frozen=True, rename="camel"):
    is_redelivery: bool = False


class _Head(msgspec.Struct, frozen=True, rename="camel"):
    """What the record's key and headers need of an event; everything else stays unread."""

    type: str = "unknown"
    mode: str = "active"
    timestamp: int | None = None
    webhook_event_id: str = ""
    delivery_context: _Delivery = _Delivery()
    source: _Source | None = None


class Event(NamedTuple):
    """One event, ready to be published."""

    type: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    late: bool


_BODY = msgspec.json.Decoder(_Body)
_HEAD = msgspec.json.Decoder(_Head)
_NO_SOURCE = _Source()


class Signer:
    """LINE's signature under one secret: base64 of HMAC-SHA256 over a body's raw bytes (LINE: x-line-signature)."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        # RFC 2104 with both key blocks hashed once: half the cost of hmac.digest, which sets the key up each time.
        block = (secret if len(secret) <= _BLOCK else hashlib.sha256(secret).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def signature(self, body: bytes) -> bytes:
        """Return the signature of a body."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return b64encode(outer.digest())

    def signed(self, body: bytes, given: bytes) -> bool:
        """Whether a signature is that of the body, compared in constant time."""
        return hmac.compare_digest(self.signature(body), given)


def trace(given: bytes | None) -> bytes:
    """Return the caller's W3C `traceparent` where it is one, else a new one."""
    if given is not None and _TRACEPARENT.match(given):
        return given
    text = f"{random.getrandbits(192):048x}"
    return f"00-{text[:32]}-{text[32:]}-01".encode()


def split(body: bytes, destination: str) -> list[bytes]:
    """Return the events of a body, each byte for byte as LINE sent it.

    Raises:
        BadBody: it is not UTF-8, no JSON, nested too deep, no webhook, or for another destination.
        TooManyEvents: it holds over `MAX_EVENTS`.
    """
    try:
        if not body.isascii():
            body.decode()
        webhook = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody(error.__class__.__name__) from None
    if webhook.destination != destination:
        raise BadBody("another destination")
    if len(webhook.events) > MAX_EVENTS:
        raise TooManyEvents
    events = [bytes(event) for event in webhook.events]
    if not all(event.startswith(b"{") for event in events):
        raise BadBody("an event is no object")
    return events


def envelope(slug: str, destination: str, received_at: str) -> bytes:
    """Return how a record's value begins; the event's own bytes and a brace follow (`shared.line_events`)."""
    text = f'{{"channel":"{slug}","destination":"{destination}","received_at":"{received_at}","event":'
    return text.encode()


def prepare(raw: bytes, slug: str, beginning: bytes, now_ms: int, traceparent: bytes) -> Event:
    """Return an event's record: key, value, headers. Unknown types and fields pass untouched."""
    head = _head(raw)
    source = head.source or _NO_SOURCE
    address = source.group_id or source.room_id or source.user_id or "bot"
    headers: tuple[tuple[str, bytes], ...] = (
        ("event-type", _header(head.type)),
        ("event-id", _header(head.webhook_event_id or event_id(raw))),
        ("redelivery", b"1" if head.delivery_context.is_redelivery else b"0"),
        ("mode", _header(head.mode)),
        ("traceparent", traceparent),
    )
    late = head.timestamp is not None and now_ms - head.timestamp > LATE_MS
    if late:
        headers = (*headers, ("late", b"1"))
    key = f"{slug}:{address}".encode()
    return Event(head.type, key, b"".join((beginning, raw, b"}")), headers, late)


def _header(text: str) -> bytes:
    return text[:HEADER_CHARS].encode()


def _head(raw: bytes) -> _Head:
    try:
        return _HEAD.decode(raw)
    except msgspec.ValidationError:
        return _read_leniently(raw)


def _read_leniently(raw: bytes) -> _Head:
    """Read an event some of whose common fields are not of the kind LINE documents: keep those that are."""
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return _Head(
        type=_field(fields, "type", str, "unknown"),
        mode=_field(fields, "mode", str, "active"),
        timestamp=_field(fields, "timestamp", int, None),
        webhook_event_id=_field(fields, "webhookEventId", str, ""),
        delivery_context=_field(fields, "deliveryContext", _Delivery, _Delivery()),
        source=_field(fields, "source", _Source, None),
    )


def _field(fields: dict[str, msgspec.Raw], name: str, kind: Any, otherwise: Any) -> Any:
    try:
        return msgspec.json.decode(fields[name], type=kind) if name in fields else otherwise
    except msgspec.ValidationError:
        return otherwise
