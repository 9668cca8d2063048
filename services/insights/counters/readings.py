"""What each topic's records add to which numbers: only the fields that are counted are parsed (hot path).

An event of an unknown type counts under `other`; a record that cannot be read is a dead letter.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from services.insights.counters.campaign_readings import read_campaign_event
from services.insights.counters.desk_readings import read_desk_event
from services.insights.counters.facts import BareFact, Reader, Series, fact_reader
from services.insights.counters.model import Reading, Tally, Visit
from services.insights.counters.naming import OTHER, Amount, arrival, bounded
from shared import topics

LINE_TYPES = frozenset(
    {
        *("message", "messageEdited", "unsend", "follow", "unfollow", "join", "leave", "memberJoined", "memberLeft"),
        *("postback", "videoPlayComplete", "beacon", "accountLink", "membership", "module", "activated"),
        *("deactivated", "botSuspended", "botResumed", "delivery"),
    }
)
"""LINE's webhook event types (REF "Webhook event objects", 2026-08)."""

MESSAGE_KINDS = frozenset({"text", "image", "video", "audio", "file", "location", "sticker"})


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
    return Reading(bare.channel, bare.event.timestamp, (arrival(topics.LINE_EVENTS, OTHER),))


@lru_cache(maxsize=4096)
def _line_tallies(kind: str, chat: str, message: str, unblocked: bool) -> tuple[Tally, ...]:
    arrived = arrival(topics.LINE_EVENTS, kind if kind in LINE_TYPES else OTHER)
    if kind == "message":
        return (arrived, Tally("messages_in", f"{chat}:{message if message in MESSAGE_KINDS else OTHER}"))
    # Friends are people: what comes out of a group or room never counts as one.
    if kind == "follow" and chat == "user":
        return (arrived, Tally("adds", "unblocked" if unblocked else "new"))
    if kind == "unfollow" and chat == "user":
        return (arrived, Tally("blocks"))
    return (arrived,)


class _Fact(BareFact, frozen=True, kw_only=True):
    """The counted fields of web.events, member.events and line.sent; absent ones keep their defaults."""

    link: str = ""
    visitor: str | None = None
    member: str | None = None
    robot: bool = False
    page: str = ""
    source: str = ""
    basis: str = ""
    by: str = ""
    api: str = ""
    kind: str = ""
    recipients: Amount = 1


def _who(fact: _Fact) -> str:
    return "robot" if fact.robot else "person"


_SERIES: dict[str, Series[_Fact]] = {
    topics.WEB_EVENTS: {
        "link_clicked": lambda fact: (Tally("clicks", f"{_who(fact)}:{bounded(fact.link)}"),),
        "page_viewed": lambda fact: (Tally("page_views", bounded(fact.page)),),
        "source_hit": lambda fact: (Tally("source_hits", f"{_who(fact)}:{bounded(fact.source)}"),),
    },
    topics.MEMBER_EVENTS: {
        "followed": lambda _: (Tally("followed"),),
        "unfollowed": lambda _: (Tally("unfollowed"),),
        "attributed": lambda fact: (Tally("attributed", f"{fact.basis}:{bounded(fact.source)}"),),
        "bound": lambda fact: (Tally("bound", bounded(fact.by)),),
        "unbound": lambda fact: (Tally("unbound", bounded(fact.by)),),
        "link_failed": lambda _: (Tally("link_failed"),),
        "tagged": lambda _: (),
        "untagged": lambda _: (),
    },
    topics.LINE_SENT: {
        "message_sent": lambda fact: (
            Tally("sent_calls", f"{bounded(fact.api)}:{bounded(fact.kind)}"),
            Tally("sent_recipients", f"{bounded(fact.api)}:{bounded(fact.kind)}", fact.recipients),
        ),
    },
}


def _visit(fact: _Fact) -> Visit | None:
    """Return the visit of a click by a person's browser. Robots have no browser worth counting."""
    if fact.type != "link_clicked" or fact.robot or not fact.visitor:
        return None
    return Visit(bounded(fact.link), fact.visitor, fact.member)


READERS: dict[str, Reader] = {
    topics.LINE_EVENTS: read_line_event,
    topics.WEB_EVENTS: fact_reader(topics.WEB_EVENTS, _Fact, _SERIES[topics.WEB_EVENTS], visit=_visit),
    topics.MEMBER_EVENTS: fact_reader(topics.MEMBER_EVENTS, _Fact, _SERIES[topics.MEMBER_EVENTS]),
    topics.LINE_SENT: fact_reader(topics.LINE_SENT, _Fact, _SERIES[topics.LINE_SENT]),
    topics.CAMPAIGN_EVENTS: read_campaign_event,
    topics.TICKET_EVENTS: read_desk_event,
}
"""The topics insights consumes."""
