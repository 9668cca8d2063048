"""Who writes and who reads which topic today: the map that AsyncAPI is generated from (design §2).

tests/contracts/test_flows.py holds it against what the services' code constructs and consumes.
"""

from __future__ import annotations

from shared import topics
from shared.events import (
    CampaignFrozen,
    CampaignStateChanged,
    ChunkAccepted,
    ChunkFailed,
    CommerceReceived,
    ConversationClosed,
    ConversationOpened,
    Event,
    LineEventReceived,
    LinkClicked,
    MemberAttributed,
    MemberBound,
    MemberFollowed,
    MemberLinkFailed,
    MemberSnapshot,
    MemberTagged,
    MemberUnbound,
    MemberUnfollowed,
    MemberUntagged,
    MessageSent,
    PersonErased,
    RecipientBlocked,
    SourceHit,
    TicketAssigned,
    TicketBreached,
    TicketOpened,
    TicketReplied,
    TicketStateChanged,
)

SENDS: dict[str, dict[str, tuple[type[Event], ...]]] = {
    "ingest": {
        topics.LINE_EVENTS: (LineEventReceived,),
        topics.WEB_EVENTS: (LinkClicked, SourceHit),
        topics.COMMERCE_EVENTS: (CommerceReceived,),
    },
    "binding": {
        topics.MEMBER_STATE: (MemberSnapshot,),
        topics.MEMBER_EVENTS: (
            MemberFollowed,
            MemberUnfollowed,
            MemberAttributed,
            MemberBound,
            MemberUnbound,
            MemberLinkFailed,
            MemberTagged,
            MemberUntagged,
        ),
        topics.LINE_SENT: (MessageSent,),
        topics.ERASURES: (PersonErased,),
    },
    "broadcast": {
        topics.CAMPAIGN_EVENTS: (CampaignStateChanged, CampaignFrozen, ChunkAccepted, ChunkFailed, RecipientBlocked),
        topics.LINE_SENT: (MessageSent,),
    },
    "ticketing": {
        topics.TICKET_EVENTS: (
            ConversationOpened,
            ConversationClosed,
            TicketOpened,
            TicketAssigned,
            TicketReplied,
            TicketStateChanged,
            TicketBreached,
        ),
        topics.LINE_SENT: (MessageSent,),
    },
}
"""By service and topic: the events it writes. Dead letters and their replays come on top for who consumes."""

CONSUMES: dict[str, tuple[str, ...]] = {
    "binding": (topics.LINE_EVENTS, topics.WEB_EVENTS, topics.MEMBER_STATE),
    "broadcast": (topics.MEMBER_STATE, topics.WEB_EVENTS, topics.MEMBER_EVENTS),
    "insights": (
        topics.LINE_EVENTS,
        topics.WEB_EVENTS,
        topics.MEMBER_EVENTS,
        topics.LINE_SENT,
        topics.CAMPAIGN_EVENTS,
        topics.TICKET_EVENTS,
    ),
    "ticketing": (topics.LINE_EVENTS, topics.MEMBER_STATE, topics.LINE_SENT),
}
"""By service: the topics its consumer group has handlers for."""

FOLLOWS: dict[str, tuple[str, ...]] = {
    "binding": (topics.ERASURES,),
    "broadcast": (topics.ERASURES,),
    "insights": (topics.ERASURES,),
    "ticketing": (topics.ERASURES,),
}
"""By service: the topics that each of its processes reads as a whole, without a consumer group."""
