"""What binding answers with: which text for which event. Pure."""

from __future__ import annotations

from typing import Literal

from services.binding.members.model import Contact
from shared.answers.model import answer_item
from shared.channels import Channel
from shared.line_events import LineEvent
from shared.mongo import Document

Purpose = Literal["greeting", "linked", "link_failed"]
GREETING: Purpose = "greeting"
LINKED: Purpose = "linked"
LINK_FAILED: Purpose = "link_failed"


def greeting(channel: Channel | None, contact: Contact, event: LineEvent, *, returning: bool) -> Document | None:
    """Return the one greeting of a follow, or None where the account is not served (any more) or has no text for it."""
    if channel is None:
        return None
    texts = channel.greetings
    text = (texts.returning or texts.new) if returning else texts.new
    return _item(GREETING, text, contact, event)


def link_answer(channel: Channel | None, contact: Contact, event: LineEvent, purpose: Purpose) -> Document | None:
    """Return the answer to an account link event, or None where the account is not served or has no text for it."""
    if channel is None:
        return None
    text = channel.greetings.linked if purpose == LINKED else channel.greetings.link_failed
    return _item(purpose, text, contact, event)


def _item(purpose: Purpose, text: str | None, contact: Contact, event: LineEvent) -> Document | None:
    if not text:
        return None
    said = [{"type": "text", "text": text}]
    return answer_item(f"{event.id}.{purpose}", purpose=purpose, messages=said, contact=contact.id, event=event)
