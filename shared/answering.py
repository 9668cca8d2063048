"""Who answers: each event has exactly one answering service, so that nobody gets two replies (design §2).

None means: nobody answers; services may still record and count it. tests/contracts/test_answering.py holds this against
LINE's own list of event types.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from shared.line_events import LineEvent

BY_POSTBACK = "postback"
"""This event's answering service is named by the prefix of its data."""

EVENT_TYPES: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    ("binding", ("follow", "accountLink", "join", "memberJoined", "membership", "beacon")),
    ("ticketing", ("message",)),
    (BY_POSTBACK, ("postback",)),
    (None, ("unfollow", "leave", "memberLeft", "messageEdited", "unsend", "videoPlayComplete", "delivery")),
    (None, ("module", "activated", "deactivated", "botSuspended", "botResumed")),
)
"""LINE's event types by who answers them."""

POSTBACK_PREFIXES: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    ("binding", ("bind", "card", "coupon", "points", "quiz", "survey", "product", "donation", "order", "vip")),
    ("ticketing", ("ticket", "faq", "csat", "flow", "delivery")),
    ("broadcast", ("camp", "event")),
    (None, ("menu",)),
)
"""The prefixes of our own postback data (`a=<prefix>.<verb>&…`) by who answers them."""

_BY_TYPE = {name: service for service, names in EVENT_TYPES for name in names}
_BY_PREFIX = {name: service for service, names in POSTBACK_PREFIXES for name in names}


def answering_service(event: LineEvent) -> str | None:
    """Return the one service that may answer an event; None in standby mode and for whatever is unknown.

    A message in a group or room is ticketing's too: it answers only where the bot itself is mentioned.
    """
    if not event.answerable:
        return None
    service = _BY_TYPE.get(event.type)
    return _BY_PREFIX.get(_prefix(event)) if service == BY_POSTBACK else service


def _prefix(event: LineEvent) -> str:
    postback = event.body.get("postback")
    data = postback.get("data") if isinstance(postback, dict) else None
    action = dict(parse_qsl(data)).get("a", "") if isinstance(data, str) else ""
    return action.partition(".")[0]
