"""What binding answers: pure rules of texts, and the life of one answer on the outbox.

Replies first: a fresh reply token is free. Only a token that LINE refuses with no attempt recorded before falls back to
a push, which costs quota, once (design §2, §6).

    new ──reply──► sending ──accepted──► gone
     ▲                │ refused: token stale ──► push ──accepted──► gone
     └─ not taken ────┤
                      └─ unknown ──► tried again while the token is under 50 s old, then unsettled, never pushed
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from services.binding.members.model import Contact
from shared.channels import Channel
from shared.line_events import LineEvent
from shared.mongo import Document

ANSWER = "answer"
GREETING, LINKED, LINK_FAILED = "greeting", "linked", "link_failed"
Purpose = Literal["greeting", "linked", "link_failed"]

NEW, SENDING, PUSH = "new", "sending", "push"

EXPIRY = timedelta(hours=1)
"""An answer that could not leave within an hour of its event is dropped: it would only confuse."""

TOKEN_RETRY = timedelta(seconds=50)
"""How old a reply token may be for an unknown reply to be tried again (design §6; LINE: one minute)."""

_FALLBACK_NAMES = {"zh-TW": "朋友", "ja": "お客様", "th": "คุณ", "en": "friend"}
_TEXT_LIMIT = 5000


def greeting_item(channel: Channel | None, contact: Contact, event: LineEvent, *, returning: bool) -> Document | None:
    """Return the one greeting of a follow, or None where the account is not served (any more) or has no text for it."""
    if channel is None:
        return None
    texts = channel.greetings
    text = (texts.returning or texts.new) if returning else texts.new
    return _item(GREETING, text, contact, event)


def answer_item(channel: Channel | None, contact: Contact, event: LineEvent, purpose: str) -> Document | None:
    """Return the answer to an account link event, or None where the account is not served or has no text for it."""
    if channel is None:
        return None
    text = channel.greetings.linked if purpose == LINKED else channel.greetings.link_failed
    return _item(purpose, text, contact, event)


def _item(purpose: str, text: str | None, contact: Contact, event: LineEvent) -> Document | None:
    if not text:
        return None
    return {
        "id": f"{event.id}.{purpose}",
        "do": ANSWER,
        "purpose": purpose,
        "text": text,
        "contact": contact.id,
        "event_id": event.id,
        "event_at": event.at,
        "received_at": event.received_at,
        "reply_token": event.reply_token,
        "state": NEW if event.reply_token else PUSH,
        "attempted_at": None,
    }


def expired(item: Document, now: datetime) -> bool:
    """Whether the answer's time is over."""
    event_at: datetime = item["event_at"]
    return now - event_at > EXPIRY


def token_fresh(item: Document, now: datetime) -> bool:
    """Whether an unknown reply may be tried again with its token."""
    received_at: datetime = item["received_at"]
    return now - received_at < TOKEN_RETRY


def fill_name(text: str, name: str | None, language: str) -> str:
    """Put the friend's display name where the text has `{name}`; a polite word where LINE gave none."""
    shown = name or _FALLBACK_NAMES.get(language, _FALLBACK_NAMES["en"])
    return text.replace("{name}", shown)[:_TEXT_LIMIT]
