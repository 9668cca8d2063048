"""Reading line.events: the envelope and LINE's event in it, tolerant of everything LINE may add (design §3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from shared.clock import from_millis
from shared.ids import contact_id, event_id


class Envelope(msgspec.Struct, frozen=True):
    """The value of a line.events record; `event` is LINE's JSON, byte for byte."""

    channel: str
    destination: str
    received_at: datetime
    event: msgspec.Raw


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    user_id: str | None = None
    group_id: str | None = None
    room_id: str | None = None


class _Redelivery(msgspec.Struct, frozen=True, rename="camel"):
    is_redelivery: bool = False


class _Common(msgspec.Struct, frozen=True, rename="camel"):
    """LINE's common event properties (REF "Common properties"); absent values are absent, never null."""

    type: str
    timestamp: int
    mode: str = "active"
    webhook_event_id: str | None = None
    delivery_context: _Redelivery = _Redelivery()
    source: _Source | None = None
    reply_token: str | None = None


class LineEvent(msgspec.Struct, frozen=True):
    """One webhook event, its common fields read and the rest kept as a plain object in `body`."""

    id: str
    type: str
    mode: str
    channel: str
    contact: str | None
    """`{channel}:{user, group or room id}`; None where LINE names no source."""
    kind: Literal["user", "group", "room"] | None
    user_id: str | None
    at: datetime
    """When it happened by LINE's clock (UTC)."""
    received_at: datetime
    redelivered: bool
    reply_token: str | None
    body: dict[str, Any]

    @property
    def answerable(self) -> bool:
        """Whether a bot may answer: never in standby mode, where a module holds the chat."""
        return self.mode == "active"


_ENVELOPE = msgspec.json.Decoder(Envelope)
_COMMON = msgspec.json.Decoder(_Common)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def _contact_of(channel: str, source: _Source | None) -> tuple[str | None, Literal["user", "group", "room"] | None]:
    if source is None:
        return None, None
    if source.group_id:
        return contact_id(channel, source.group_id), "group"
    if source.room_id:
        return contact_id(channel, source.room_id), "room"
    if source.user_id:
        return contact_id(channel, source.user_id), "user"
    return None, None


def read_line_event(value: bytes) -> LineEvent:
    """Read the value of a line.events record.

    Raises:
        msgspec.DecodeError: it is no envelope, or its event lacks `type` or `timestamp`: a dead letter.
    """
    envelope = _ENVELOPE.decode(value)
    raw = bytes(envelope.event)
    common = _COMMON.decode(raw)
    contact, kind = _contact_of(envelope.channel, common.source)
    return LineEvent(
        id=common.webhook_event_id or event_id(raw),
        type=common.type,
        mode=common.mode,
        channel=envelope.channel,
        contact=contact,
        kind=kind,
        user_id=common.source.user_id if common.source else None,
        at=from_millis(common.timestamp),
        received_at=envelope.received_at,
        redelivered=common.delivery_context.is_redelivery,
        reply_token=common.reply_token,
        body=_OBJECT.decode(raw),
    )
