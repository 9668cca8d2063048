"""Joining a follow to the add-friend source that led to it: pure rules (features F4).

A hit that LIFF vouched for names the contact. One without a name counts as `estimated` only where it is the sole such
hit of the account in the minutes before the follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.binding.members.model import Contact
from shared.line_events import LineEvent
from shared.mongo import Document

ATTRIBUTE = "attribute"

VERIFIED_WINDOW = timedelta(hours=24)
ESTIMATED_WINDOW = timedelta(minutes=10)
SLACK = timedelta(minutes=1)
"""How much later than the follow a hit may be stamped: the clocks are LINE's and ours."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Someone came to a source. `contact` only where LIFF vouched for it."""

    id: str
    channel: str
    source: str
    at: datetime
    contact: str | None = None


def attribution_item(contact: Contact, event: LineEvent) -> Document:
    """Return the item that looks for the source of a follow, after the follow itself is stored."""
    return {"id": f"{event.id}.source", "do": ATTRIBUTE, "contact": contact.id, "followed_at": event.at}


def led_to(hit: Hit, followed_at: datetime) -> bool:
    """Whether a hit is near enough before a follow to have led to it."""
    window = VERIFIED_WINDOW if hit.contact else ESTIMATED_WINDOW
    return followed_at - window <= hit.at <= followed_at + SLACK
