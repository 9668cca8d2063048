"""What LINE accepted: line.sent."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.events.base import Event


class MessageSent(Event):
    """line.sent: LINE accepted an outgoing call. A campaign's carries counts, never names."""

    id: str
    type: Literal["message_sent"] = "message_sent"
    channel: str
    occurred_at: datetime
    api: Literal["reply", "push", "multicast", "narrowcast", "broadcast"]
    kind: str
    """greeting, auto_reply, reply, notice, campaign, …"""
    service: str
    contact: str | None = None
    member: str | None = None
    origin: str | None = None
    """The id of the event that the message answers, or of the campaign."""
    messages: int = 1
    recipients: int = 1
    request_id: str | None = None
