"""LINE's account link (line-platform §7.1): a nonce stands for a customer until LINE brings it back with the user."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

NONCE_LIFE = timedelta(minutes=30)
"""LINE's link token lives 10 minutes; the event may come later, out of a backlog at LINE or here."""


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """What a nonce turned out to stand for: a customer key, or why there is none."""

    customer_key: str | None
    problem: str | None = None
    """unknown_nonce, expired, used, failed, key_taken"""


@dataclass(frozen=True, slots=True)
class Nonce:
    """An issued nonce: single use, unguessable."""

    value: str
    channel: str
    customer_key: str
    expires_at: datetime


def issue(channel: str, customer_key: str, now: datetime) -> Nonce:
    """Make a nonce of 192 random bits (LINE: 10–255 characters, at least 128 bits advised)."""
    value = base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()
    return Nonce(value, channel, customer_key, now + NONCE_LIFE)
