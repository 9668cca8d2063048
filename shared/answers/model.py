"""The life of one answer on an outbox: pure rules.

Replies first: a fresh reply token is free. Only a token that LINE refuses with no attempt recorded before falls back to
a push, which costs quota, once (design §2, §6).

    new ──reply──► sending ──accepted──► gone
     ▲                │ refused: token stale ──► push ──accepted──► gone
     └─ not taken ────┤
                      └─ unknown ──► tried again while the token is under 50 s old, then unsettled, never pushed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.line_events import LineEvent
from shared.mongo import Document

ANSWER = "answer"
"""What the outbox is to do with such an item."""

NEW, SENDING, PUSH = "new", "sending", "push"

EXPIRY = timedelta(hours=1)
"""An answer that could not leave within an hour of its event is dropped: it would only confuse."""

NOTICE_EXPIRY = timedelta(hours=23)
"""A notice waits longer, but not past the life of its retry key (LINE: 24 h)."""

TOKEN_RETRY = timedelta(seconds=50)
"""How old a reply token may be for an unknown reply to be tried again (design §6; LINE: one minute)."""

_FALLBACK_NAMES = {"zh-TW": "朋友", "ja": "お客様", "th": "คุณ", "en": "friend"}
_NAME = "{name}"
_TEXT_LIMIT = 5000
"""UTF-16 units (LINE: text message)."""


def answer_item(
    item_id: str, *, purpose: str, messages: Sequence[Mapping[str, Any]], contact: str, event: LineEvent
) -> Document:
    """Return the item that answers an event: by its reply token, pushed once where LINE refuses that.

    Args:
        item_id: deterministic; also the identity of the push (LINE's retry key comes from it).
        purpose: the `kind` on line.sent: greeting, auto_reply, …
        messages: 1 to 5 LINE message objects; `{name}` in texts becomes the friend's display name.
        contact: whom to.
        event: what is answered.
    """
    return {
        "id": item_id,
        "do": ANSWER,
        "purpose": purpose,
        "messages": [dict(message) for message in messages],
        "contact": contact,
        "event_id": event.id,
        "expires_at": event.at + EXPIRY,
        "received_at": event.received_at,
        "reply_token": event.reply_token,
        "state": NEW if event.reply_token else PUSH,
        "attempted_at": None,
    }


def notice_item(
    item_id: str,
    *,
    purpose: str,
    messages: Sequence[Mapping[str, Any]],
    contact: str,
    at: datetime,
    origin: str | None = None,
    expires_in: timedelta = NOTICE_EXPIRY,
) -> Document:
    """Return the item that pushes messages nobody's event asked for; as `answer_item`.

    Args:
        item_id: deterministic.
        purpose: the `kind` on line.sent.
        messages: 1 to 5 LINE message objects.
        contact: whom to.
        at: when it was decided.
        origin: what it is about, for line.sent.
        expires_in: when it would come too late; at most `NOTICE_EXPIRY`.
    """
    return {
        "id": item_id,
        "do": ANSWER,
        "purpose": purpose,
        "messages": [dict(message) for message in messages],
        "contact": contact,
        "event_id": origin,
        "expires_at": at + min(expires_in, NOTICE_EXPIRY),
        "received_at": at,
        "reply_token": None,
        "state": PUSH,
        "attempted_at": None,
    }


def expired(item: Document, now: datetime) -> bool:
    """Whether the answer's time is over."""
    expires_at: datetime = item["expires_at"]
    return now > expires_at


def token_fresh(item: Document, now: datetime) -> bool:
    """Whether an unknown reply may be tried again with its token."""
    received_at: datetime = item["received_at"]
    return now - received_at < TOKEN_RETRY


def wants_name(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any text asks for the friend's name."""
    return any(message.get("type") == "text" and _NAME in message["text"] for message in messages)


def fill_name(messages: Sequence[Mapping[str, Any]], name: str | None, language: str) -> list[Document]:
    """Put the friend's display name where a text has `{name}`; a polite word where LINE gave none."""
    shown = name or _FALLBACK_NAMES.get(language, _FALLBACK_NAMES["en"])
    return [_filled(message, shown) if wants_name([message]) else dict(message) for message in messages]


def _filled(message: Mapping[str, Any], shown: str) -> Document:
    text: str = message["text"].replace(_NAME, shown)
    cut = text.encode("utf-16-le")[: 2 * _TEXT_LIMIT].decode("utf-16-le", errors="ignore")
    return {**message, "text": cut}
