"""The one id maker: sortable random ids with a prefix, and deterministic ones (design §12)."""

from __future__ import annotations

import hashlib
import os
import time
import uuid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NAMESPACE = uuid.UUID("6b2f6a52-5f43-5c5b-9a6e-6d7573756269")


def ulid(millis: int | None = None) -> str:
    """Return a 26-character ULID: 48 bits of UNIX milliseconds, 80 random bits, Crockford base 32."""
    number = ((int(time.time() * 1000) if millis is None else millis) << 80) | int.from_bytes(os.urandom(10))
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def new_id(prefix: str) -> str:
    """Return a new sortable id such as `cmp_01J…`."""
    return f"{prefix}_{ulid()}"


def stable_uuid(*parts: str) -> uuid.UUID:
    """Return the same UUID (version 5) for the same parts, for ever: ids of effects, LINE retry keys."""
    return uuid.uuid5(_NAMESPACE, "\x1f".join(parts))


def member_id(identity: str) -> str:
    """Return the opaque id of the member that an identity (a contact, a customer key) creates."""
    return f"mbr_{stable_uuid('member', identity).hex}"


def event_id(raw: bytes) -> str:
    """Identify an event that carries no webhookEventId: the SHA-256 of its raw JSON (design §12)."""
    return f"sha256_{hashlib.sha256(raw).hexdigest()}"


def contact_id(channel: str, address: str) -> str:
    """Return the contact of a user, group or room of a channel: `{channel}:{LINE id}`."""
    return f"{channel}:{address}"


def split_contact(contact: str) -> tuple[str, str]:
    """Return the channel's slug and the LINE id of a contact."""
    channel, _, address = contact.partition(":")
    return channel, address
