"""Reading a record of line.events as a lean consumer would: the fields it needs and no others."""

from __future__ import annotations

import msgspec


class LineEvent(msgspec.Struct, frozen=True):
    """What of an event is read."""

    type: str
    timestamp: int


class Envelope(msgspec.Struct, frozen=True):
    """What of a record is read."""

    channel: str
    received_at: str
    event: LineEvent


decode = msgspec.json.Decoder(Envelope).decode
