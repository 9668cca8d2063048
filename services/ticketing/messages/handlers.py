"""line.sent: what other services said to a contact, as entries of its thread."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from services.ticketing import SERVICE
from services.ticketing.messages.model import Delivery, Message
from services.ticketing.messages.store import MessageStore
from shared.consumer import BadRecord, Record
from shared.events import MessageSent
from shared.ids import split_contact

_GROUPS = ("C", "R")
"""LINE: ids of groups and rooms begin so; of users with U or L."""


async def on_line_sent(records: Sequence[Record], messages: MessageStore) -> None:
    """Keep that other services wrote to a contact: their kind only, as its words are theirs."""
    for record in records:
        sent = _read(record)
        if sent.contact is None or sent.service == SERVICE or split_contact(sent.contact)[1].startswith(_GROUPS):
            continue
        entry = Message(
            id=sent.id,
            channel=sent.channel,
            contact=sent.contact,
            direction="system",
            kind=sent.kind,
            at=sent.occurred_at,
            event_id=sent.origin,
            by=sent.service,
            delivery=Delivery("accepted", sent.api, sent.request_id, sent.occurred_at),
        )
        await messages.add(entry)


def _read(record: Record) -> MessageSent:
    try:
        return MessageSent.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise BadRecord(f"no sent message: {error.error_count()} fields are wrong") from None
