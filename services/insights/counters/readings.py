"""What each topic's records add to which numbers: only the fields that are counted are parsed (hot path).

An event of an unknown type counts under `other`; a record that cannot be read is a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from services.insights.counters.model import Reading, Tally, Visit
from shared import topics
from shared.clock import to_millis

Reader = Callable[[bytes], Reading]
"""Reads the value of a record. Raises msgspec.DecodeError where it cannot be read."""

OTHER = "other"
LONGEST_NAME = 100

LINE_TYPES = frozenset(
    {
        *("message", "messageEdited", "unsend", "follow", "unfollow", "join", "leave", "memberJoined", "memberLeft"),
        *("postback", "videoPlayComplete", "beacon", "accountLink", "membership", "module", "activated"),
        *("deactivated", "botSuspended", "botResumed", "delivery"),
    }
)
"""LINE's webhook event types (REF "Webhook event objects", 2026-08)."""

MESSAGE_KINDS = frozenset({"text", "image", "video", "audio", "file", "location", "sticker"})

_Amount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    group_id: str | None = None
    room_id: str | None = None


class _Message(msgspec.Struct, frozen=True):
    type: str = OTHER


class _Follow(msgspec.Struct, frozen=True, rename="camel"):
    is_unblocked: bool = False


class _Bare(msgspec.Struct, frozen=True):
    type: str
    timestamp: int


class _LineEvent(msgspec.Struct, frozen=True):
    type: str
    timestamp: int
    source: _Source | None = None
    message: _Message | None = None
    follow: _Follow | None = None


class _BareEnvelope(msgspec.Struct, frozen=True):
    channel: str
    event: _Bare


class _Envelope(msgspec.Struct, frozen=True):
    channel: str
    event: _LineEvent


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_BARE_ENVELOPE = msgspec.json.Decoder(_BareEnvelope)


def read_line_event(value: bytes) -> Reading:
    """Read line.events: adds, blocks and messages by LINE's own event time, and every event by type."""
    try:
        envelope = _ENVELOPE.decode(value)
    except msgspec.ValidationError:
        return _read_unknown(value)
    event = envelope.event
    source, message, follow = event.source, event.message, event.follow
    chat = "user" if source is None else "group" if source.group_id else "room" if source.room_id else "user"
    tallies = _line_tallies(event.type, chat, message.type if message else OTHER, bool(follow and follow.is_unblocked))
    return Reading(envelope.channel, event.timestamp, tallies)


def _read_unknown(value: bytes) -> Reading:
    """Read an event whose fields have other shapes than ours: a future type may give them another meaning."""
    bare = _BARE_ENVELOPE.decode(value)
    if bare.event.type in LINE_TYPES:
        raise msgspec.ValidationError(f"a field of the {bare.event.type} event has another type than LINE documents")
    return Reading(bare.channel, bare.event.timestamp, (_arrival(topics.LINE_EVENTS, OTHER),))


@lru_cache(maxsize=4096)
def _line_tallies(kind: str, chat: str, message: str, unblocked: bool) -> tuple[Tally, ...]:
    arrival = _arrival(topics.LINE_EVENTS, kind if kind in LINE_TYPES else OTHER)
    if kind == "message":
        return (arrival, Tally("messages_in", f"{chat}:{message if message in MESSAGE_KINDS else OTHER}"))
    # Friends are people: what comes out of a group or room never counts as one.
    if kind == "follow" and chat == "user":
        return (arrival, Tally("adds", "unblocked" if unblocked else "new"))
    if kind == "unfollow" and chat == "user":
        return (arrival, Tally("blocks"))
    return (arrival,)


def _arrival(topic: str, kind: str) -> Tally:
    return Tally("events", f"{topic}:{kind}")


class _Fact(msgspec.Struct, frozen=True):
    """The counted fields of web.events, member.events and line.sent; absent ones keep their defaults."""

    type: str
    channel: str
    occurred_at: _Moment
    link: str = ""
    visitor: str | None = None
    robot: bool = False
    page: str = ""
    source: str = ""
    basis: str = ""
    by: str = ""
    api: str = ""
    kind: str = ""
    recipients: _Amount = 1


_FACT = msgspec.json.Decoder(_Fact)


def _who(fact: _Fact) -> str:
    return "robot" if fact.robot else "person"


def _name(text: str) -> str:
    """Keep a name that came from outside from growing a counter's id without limit."""
    return text if len(text) <= LONGEST_NAME else OTHER


_SERIES: dict[str, dict[str, Callable[[_Fact], tuple[Tally, ...]]]] = {
    topics.WEB_EVENTS: {
        "link_clicked": lambda fact: (Tally("clicks", f"{_who(fact)}:{_name(fact.link)}"),),
        "page_viewed": lambda fact: (Tally("page_views", _name(fact.page)),),
        "source_hit": lambda fact: (Tally("source_hits", f"{_who(fact)}:{_name(fact.source)}"),),
    },
    topics.MEMBER_EVENTS: {
        "followed": lambda _: (Tally("followed"),),
        "unfollowed": lambda _: (Tally("unfollowed"),),
        "attributed": lambda fact: (Tally("attributed", f"{fact.basis}:{_name(fact.source)}"),),
        "bound": lambda fact: (Tally("bound", _name(fact.by)),),
        "unbound": lambda fact: (Tally("unbound", _name(fact.by)),),
        "link_failed": lambda _: (Tally("link_failed"),),
    },
    topics.LINE_SENT: {
        "message_sent": lambda fact: (
            Tally("sent_calls", f"{_name(fact.api)}:{_name(fact.kind)}"),
            Tally("sent_recipients", f"{_name(fact.api)}:{_name(fact.kind)}", fact.recipients),
        ),
    },
}


class _BareFact(msgspec.Struct, frozen=True):
    type: str
    channel: str
    occurred_at: _Moment


_BARE_FACT = msgspec.json.Decoder(_BareFact)


def fact_reader(topic: str) -> Reader:
    """Return the reader of web.events, member.events or line.sent."""
    series = _SERIES[topic]

    def read(value: bytes) -> Reading:
        try:
            fact = _FACT.decode(value)
        except msgspec.ValidationError:
            bare = _BARE_FACT.decode(value)
            if bare.type in series:
                raise
            return Reading(bare.channel, to_millis(bare.occurred_at), (_arrival(topic, OTHER),))
        tallies_of = series.get(fact.type)
        if tallies_of is None:
            return Reading(fact.channel, to_millis(fact.occurred_at), (_arrival(topic, OTHER),))
        tallies = (_arrival(topic, fact.type), *tallies_of(fact))
        return Reading(fact.channel, to_millis(fact.occurred_at), tallies, _visit(fact))

    return read


def _visit(fact: _Fact) -> Visit | None:
    """Return the visit of a click by a person's browser. Robots have no browser worth counting."""
    if fact.type != "link_clicked" or fact.robot or not fact.visitor:
        return None
    return Visit(_name(fact.link), fact.visitor)


READERS: dict[str, Reader] = {
    topics.LINE_EVENTS: read_line_event,
    topics.WEB_EVENTS: fact_reader(topics.WEB_EVENTS),
    topics.MEMBER_EVENTS: fact_reader(topics.MEMBER_EVENTS),
    topics.LINE_SENT: fact_reader(topics.LINE_SENT),
}
"""The topics insights consumes."""
