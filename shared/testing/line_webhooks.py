"""Builders of LINE webhook events and of the records that carry them, with made-up ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from shared.clock import rfc3339, to_millis, utcnow
from shared.ids import contact_id, ulid
from shared.producer import Record
from shared.topics import LINE_EVENTS

DESTINATION = "U" + "0" * 32


def user_id(number: int) -> str:
    """Return a LINE user id."""
    return f"U{number:032x}"


def event(kind: str, user: str | None, at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """Return a webhook event of any type; `source` may be given to say another one than the user."""
    built: dict[str, Any] = {
        "type": kind,
        "mode": "active",
        "timestamp": to_millis(at or utcnow()),
        "webhookEventId": ulid(),
        "deliveryContext": {"isRedelivery": False},
    }
    if user is not None:
        built["source"] = {"type": "user", "userId": user}
    return built | fields


def follow(user: str, at: datetime | None = None, *, unblocked: bool = False) -> dict[str, Any]:
    """Return a follow event."""
    return event("follow", user, at, follow={"isUnblocked": unblocked}, replyToken=ulid())


def unfollow(user: str, at: datetime | None = None) -> dict[str, Any]:
    """Return an unfollow event."""
    return event("unfollow", user, at)


def message(user: str, kind: str = "text", at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """Return a message event of a kind."""
    content = {"id": ulid(), "type": kind} | ({"text": "hello"} if kind == "text" else {})
    return event("message", user, at, message=content, replyToken=ulid(), **fields)


def envelope(channel: str, line_event: dict[str, Any]) -> bytes:
    """Return the value of the line.events record that ingest would write."""
    outside = {"channel": channel, "destination": DESTINATION, "received_at": rfc3339(datetime.now(UTC))}
    return orjson.dumps(outside | {"event": line_event})


def line_record(channel: str, line_event: dict[str, Any]) -> Record:
    """Return the line.events record that ingest would write, to be sent."""
    source = line_event.get("source", {})
    address = source.get("groupId") or source.get("roomId") or source.get("userId") or "bot"
    headers = (
        ("event-type", line_event["type"].encode()),
        ("event-id", line_event["webhookEventId"].encode()),
        ("redelivery", b"1" if line_event["deliveryContext"]["isRedelivery"] else b"0"),
        ("mode", line_event["mode"].encode()),
    )
    return Record(LINE_EVENTS, contact_id(channel, address).encode(), envelope(channel, line_event), headers)
