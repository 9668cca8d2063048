"""What travels on the topics: frozen contracts, past-tense names (design §3).

Rules of evolution: unknown fields are ignored, new fields are optional, a breaking change is a new topic `.v2`.
A golden JSON of every event and version stays readable for ever (tests/contracts).
Times are UTC. `id` is deterministic: the same fact published twice carries the same id, and consumers drop the second.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from shared import topics
from shared.events.arrivals import CommerceReceived, LineEventReceived, LinkClicked, PageViewed, SourceHit
from shared.events.base import Event, Fact
from shared.events.campaigns import (
    CampaignFact,
    CampaignFrozen,
    CampaignStateChanged,
    ChunkAccepted,
    ChunkFailed,
    RecipientBlocked,
)
from shared.events.desk import (
    ConversationClosed,
    ConversationOpened,
    DeskFact,
    TicketAssigned,
    TicketBreached,
    TicketOpened,
    TicketReplied,
    TicketStateChanged,
)
from shared.events.members import (
    ContactState,
    MemberAttributed,
    MemberBound,
    MemberFact,
    MemberFollowed,
    MemberLinkFailed,
    MemberSnapshot,
    MemberTagged,
    MemberUnbound,
    MemberUnfollowed,
    MemberUntagged,
    PersonErased,
)
from shared.events.sent import MessageSent

__all__ = [
    "CAMPAIGN_EVENT",
    "CONTRACTS",
    "MEMBER_EVENT",
    "TICKET_EVENT",
    "WEB_EVENT",
    "AnyCampaignEvent",
    "AnyMemberEvent",
    "AnyTicketEvent",
    "AnyWebEvent",
    "CampaignFact",
    "CampaignFrozen",
    "CampaignStateChanged",
    "ChunkAccepted",
    "ChunkFailed",
    "CommerceReceived",
    "ContactState",
    "ConversationClosed",
    "ConversationOpened",
    "DeskFact",
    "Event",
    "Fact",
    "LineEventReceived",
    "LinkClicked",
    "MemberAttributed",
    "MemberBound",
    "MemberFact",
    "MemberFollowed",
    "MemberLinkFailed",
    "MemberSnapshot",
    "MemberTagged",
    "MemberUnbound",
    "MemberUnfollowed",
    "MemberUntagged",
    "MessageSent",
    "PageViewed",
    "PersonErased",
    "RecipientBlocked",
    "SourceHit",
    "TicketAssigned",
    "TicketBreached",
    "TicketOpened",
    "TicketReplied",
    "TicketStateChanged",
    "encode",
]

AnyWebEvent = LinkClicked | PageViewed | SourceHit
AnyMemberEvent = (
    MemberFollowed
    | MemberUnfollowed
    | MemberAttributed
    | MemberBound
    | MemberUnbound
    | MemberLinkFailed
    | MemberTagged
    | MemberUntagged
)
AnyCampaignEvent = CampaignStateChanged | CampaignFrozen | ChunkAccepted | ChunkFailed | RecipientBlocked
AnyTicketEvent = (
    ConversationOpened
    | ConversationClosed
    | TicketOpened
    | TicketAssigned
    | TicketReplied
    | TicketStateChanged
    | TicketBreached
)

WEB_EVENT: TypeAdapter[AnyWebEvent] = TypeAdapter(Annotated[AnyWebEvent, Field(discriminator="type")])
MEMBER_EVENT: TypeAdapter[AnyMemberEvent] = TypeAdapter(Annotated[AnyMemberEvent, Field(discriminator="type")])
CAMPAIGN_EVENT: TypeAdapter[AnyCampaignEvent] = TypeAdapter(Annotated[AnyCampaignEvent, Field(discriminator="type")])
TICKET_EVENT: TypeAdapter[AnyTicketEvent] = TypeAdapter(Annotated[AnyTicketEvent, Field(discriminator="type")])

CONTRACTS: dict[str, tuple[type[Event], ...]] = {
    topics.LINE_EVENTS: (LineEventReceived,),
    topics.WEB_EVENTS: (LinkClicked, PageViewed, SourceHit),
    topics.COMMERCE_EVENTS: (CommerceReceived,),
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
    topics.CAMPAIGN_EVENTS: (CampaignStateChanged, CampaignFrozen, ChunkAccepted, ChunkFailed, RecipientBlocked),
    topics.TICKET_EVENTS: (
        ConversationOpened,
        ConversationClosed,
        TicketOpened,
        TicketAssigned,
        TicketReplied,
        TicketStateChanged,
        TicketBreached,
    ),
    topics.ERASURES: (PersonErased,),
}
"""The contracts of each topic that something writes today; AsyncAPI is generated from this."""


def encode(event: Event) -> bytes:
    """Serialise an event for its topic: compact JSON, absent values left out."""
    return event.model_dump_json(exclude_none=True).encode()
