"""Deciding what a chunk sends: who is reachable now, in which bytes, under which retry key. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from services.broadcast.sending.model import Chunk, People, Skip, SkipReason, left
from services.broadcast.sending.orders import Content
from services.broadcast.sending.queue import Fixed
from shared.line.prepared import prepare_multicast, retry_key


def fix(chunk: Chunk, people: People, unreachable: Mapping[str, SkipReason], content: Content) -> Fixed:
    """Fix what a pending chunk sends; nothing at all (`recipients` 0, no body) where nobody is left."""
    recipients = left(people, chunk.dropped)
    dropped: list[Skip] = []
    if unreachable:
        dropped = [Skip(contact, unreachable[contact]) for contact in recipients if contact in unreachable]
        recipients = [contact for contact in recipients if contact not in unreachable]
    sent_id = chunk.id if not chunk.revision else f"{chunk.id}.{chunk.revision}"
    if not recipients:
        return Fixed(chunk, dropped, 0, retry_key(sent_id), b"")
    call = prepare_multicast(
        chunk.channel,
        _addresses(chunk.channel, recipients),
        content.messages,
        sent_id=sent_id,
        unit=content.unit,
        notification_disabled=content.notification_disabled,
    )
    return Fixed(chunk, dropped, len(recipients), call.retry_key, call.body)


def _addresses(channel: str, contacts: list[str]) -> list[str]:
    """Return the LINE user ids of contacts `{channel}:{user id}`."""
    start = len(channel) + 1
    return [contact[start:] for contact in contacts]
