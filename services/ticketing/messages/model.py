"""What a message is, as the desk keeps it: pure rules.

A message has every text it ever had, each with its time; the newest is shown. So an edit may arrive before its message,
and edits in any order: LINE orders them by time alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from shared.line_events import LineEvent

Direction = Literal["in", "out", "note", "system"]

POSTBACK = "postback"
UNKNOWN = "unknown"
PENDING, ACCEPTED = "pending", "accepted"
_ACCEPTED_BY = {"reply", "push"}
_NOT_PAYLOAD = frozenset({"id", "type", "text"})


@dataclass(frozen=True, slots=True)
class Text:
    """A text the message had from then on."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of an outgoing message: pending, accepted (by `api`), rejected, quota, expired, unsettled, …"""

    state: str
    api: str | None = None
    request_id: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An entry of a contact's thread."""

    id: str
    """LINE's message id; for others an id of our own."""
    channel: str
    contact: str
    direction: Direction
    kind: str
    """LINE's message type for `in`; the purpose for `out` and `system`; `note`."""
    at: datetime
    """LINE's time for `in`, our own for others."""
    texts: tuple[Text, ...] = ()
    payload: Mapping[str, Any] | None = None
    """What else LINE's message object held."""
    messages: tuple[Mapping[str, Any], ...] = ()
    """The LINE message objects of an outgoing one."""
    event_id: str | None = None
    unsent_at: datetime | None = None
    by: str | None = None
    delivery: Delivery | None = None
    digest: str | None = None
    """Of the request that made it, to tell a repeat from another one under the same key."""

    @property
    def text(self) -> str | None:
        """The newest text."""
        return max(self.texts, key=_when).text if self.texts else None

    @property
    def by_time(self) -> list[Text]:
        """Every text it had, oldest first."""
        return sorted(self.texts, key=_when)


def _when(version: Text) -> tuple[datetime, str]:
    return version.at, version.text


def read_message(event: LineEvent) -> Message | None:
    """Return what a message event says, whatever its kind; None where it holds no message with an id."""
    body = event.body.get("message")
    if not isinstance(body, dict) or not isinstance(body.get("id"), str) or event.contact is None:
        return None
    text = body.get("text")
    return Message(
        id=body["id"],
        channel=event.channel,
        contact=event.contact,
        direction="in",
        kind=str(body.get("type", UNKNOWN)),
        at=event.at,
        texts=(Text(event.at, text),) if isinstance(text, str) else (),
        payload={name: value for name, value in body.items() if name not in _NOT_PAYLOAD},
        event_id=event.id,
    )


def read_postback(event: LineEvent) -> Message | None:
    """Return a pressed button as an entry of the thread."""
    body = event.body.get("postback")
    if not isinstance(body, dict) or event.contact is None:
        return None
    return Message(
        id=event.id,
        channel=event.channel,
        contact=event.contact,
        direction="in",
        kind=POSTBACK,
        at=event.at,
        payload=body,
        event_id=event.id,
    )


def delivery_of(end: str, request_id: str | None, at: datetime) -> Delivery:
    """Return what an answer's end, as `AnswerCourier` tells it, means for its message."""
    if end in _ACCEPTED_BY:
        return Delivery(ACCEPTED, end, request_id, at)
    return Delivery(end, None, request_id, at)
