"""Records of line.events as handlers take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from shared.consumer import BadRecord, Record
from shared.line_events import LineEvent, read_line_event


@dataclass(frozen=True, slots=True)
class Arrived:
    """A parsed event, and where it was read: the retry topic's own coordinates for a replayed dead letter."""

    event: LineEvent
    topic: str
    offset: int


def read_events(records: Sequence[Record]) -> list[Arrived]:
    """Parse records of line.events.

    Raises:
        BadRecord: one is no envelope with a LINE event in it.
    """
    arrived = []
    for record in records:
        try:
            event = read_line_event(record.value or b"")
        except msgspec.DecodeError as error:
            raise BadRecord(f"no LINE event: {error.__class__.__name__}") from None
        arrived.append(Arrived(event, record.at.topic, record.at.offset))
    return arrived
