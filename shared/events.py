"""What travels on the topics: frozen contracts, past-tense names (design §3).

Rules of evolution: unknown fields are ignored, new fields are optional, a breaking change is a new topic `.v2`.
A golden JSON of every event and version stays readable for ever (tests/contracts).
Times are UTC. `id` is deterministic: the same fact published twice carries the same id, and consumers drop the second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared import topics


class Event(BaseModel):
    """What every contract shares."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LineEventReceived(Event):
    """line.events: a webhook event as LINE sent it. Consumers read it by `shared.line_events`, not by this model."""

    channel: str
    destination: str
    received_at: datetime
    event: dict[str, Any]


class Fact(Event):
    """A fact with an id of its own, about an account."""

    id: str
    channel: str
    occurred_at: datetime


class LinkClicked(Fact):
    """web.events: a person (or a link-preview robot) opened a tracked link."""

    type: Literal["link_clicked"] = "link_clicked"
    link: str
    url: str
    visitor: str | None = None
    member: str | None = None
    robot: bool = False


class PageViewed(Fact):
    """web.events: a public page was shown."""

    type: Literal["page_viewed"] = "page_viewed"
    page: str
    visitor: str | None = None


class SourceHit(Fact):
    """web.events: someone came to an add-friend source. `contact` only where LIFF vouched for the user."""

    type: Literal["source_hit"] = "source_hit"
    source: str
    visitor: str | None = None
    contact: str | None = None
    robot: bool = False


class CommerceReceived(Event):
    """commerce.events: a signed callback of a shop or donation site, its `data` as sent."""

    id: str
    type: str
    kind: Literal["orders", "donations", "bindings"]
    source: str
    channel: str
    customer_key: str | None = None
    occurred_at: datetime
    received_at: datetime
    data: dict[str, Any]


class ContactState(Event):
    """A LINE address of a member. `following` is None until LINE told us: a writer need not be a friend."""

    id: str
    channel: str
    kind: Literal["user", "group", "room"] = "user"
    following: bool | None = None
    followed_at: datetime | None = None
    unfollowed_at: datetime | None = None
    source: str | None = None
    source_basis: Literal["liff", "estimated"] | None = None
    last_seen_at: datetime | None = None


class MemberSnapshot(Event):
    """member.state: the whole member. Apply it only where `version` is newer; a tombstone means erased."""

    id: str
    version: int
    channel: str
    bound: bool = False
    keys: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    contacts: tuple[ContactState, ...] = ()
    created_at: datetime
    updated_at: datetime


class MemberFact(Fact):
    """A fact about a member and the contact it concerns."""

    member: str
    contact: str | None = None


class MemberFollowed(MemberFact):
    """member.events: a contact became a friend (was not one by the time order of LINE's own events)."""

    type: Literal["followed"] = "followed"
    first: bool = True


class MemberUnfollowed(MemberFact):
    """member.events: a friend blocked the account."""

    type: Literal["unfollowed"] = "unfollowed"


class MemberAttributed(MemberFact):
    """member.events: a follow was joined to the add-friend source that led to it, once a contact."""

    type: Literal["attributed"] = "attributed"
    source: str
    basis: Literal["liff", "estimated"]


class MemberBound(MemberFact):
    """member.events: the member got a customer key. `by` says who did it: staff, account_link, callback."""

    type: Literal["bound"] = "bound"
    by: str


class MemberUnbound(MemberFact):
    """member.events: the member lost the customer key."""

    type: Literal["unbound"] = "unbound"
    by: str


class MemberLinkFailed(MemberFact):
    """member.events: LINE's account link ended without a binding."""

    type: Literal["link_failed"] = "link_failed"
    reason: str


class MemberTagged(MemberFact):
    """member.events: the member got a tag. `origin` says what gave it: staff, import, campaign, …"""

    type: Literal["tagged"] = "tagged"
    tag: str
    origin: str
    expires_at: datetime | None = None


class MemberUntagged(MemberFact):
    """member.events: the member lost a tag, taken away or expired."""

    type: Literal["untagged"] = "untagged"
    tag: str
    origin: str


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


class CampaignFact(Fact):
    """A fact about a campaign."""

    campaign: str


class CampaignStateChanged(CampaignFact):
    """campaign.events: a campaign moved on: draft, scheduled, freezing, running, paused, finished, cancelled."""

    type: Literal["state_changed"] = "state_changed"
    state: str
    previous: str | None = None
    by: str
    """A key's id, or `system`."""
    reason: str | None = None
    """Why it was paused: staff, quota, unauthorised, errors, blocks, overdue."""
    name: str | None = None
    version: int = 0
    """Of the campaign: a higher one is newer."""


class CampaignFrozen(CampaignFact):
    """campaign.events: the audience is fixed."""

    type: Literal["frozen"] = "frozen"
    recipients: int
    chunks: int
    skipped: dict[str, int] = {}
    """By reason, of those who matched the segment."""


class ChunkAccepted(CampaignFact):
    """campaign.events: LINE accepted a chunk. Counts only; who they are is broadcast's to tell."""

    type: Literal["chunk_accepted"] = "chunk_accepted"
    chunk: int
    recipients: int
    skipped: dict[str, int] = {}
    """Skipped since the audience was frozen, by reason."""
    request_id: str | None = None


class ChunkFailed(CampaignFact):
    """campaign.events: a chunk ended without LINE's acceptance, or nobody knows whether it was accepted."""

    type: Literal["chunk_failed"] = "chunk_failed"
    chunk: int
    recipients: int
    skipped: dict[str, int] = {}
    end: Literal["rejected", "unknown"]


class RecipientBlocked(CampaignFact):
    """campaign.events: a recipient blocked the account within 24 h of a campaign's acceptance."""

    type: Literal["recipient_blocked"] = "recipient_blocked"
    contact: str


class DeskFact(Fact):
    """A fact of the conversation desk about a contact."""

    contact: str
    member: str | None = None


class ConversationOpened(DeskFact):
    """ticket.events: a contact wrote who had no open conversation. `opening` counts them, from 1."""

    type: Literal["conversation_opened"] = "conversation_opened"
    opening: int


class ConversationClosed(DeskFact):
    """ticket.events: staff resolved a conversation. Times in seconds since its opening."""

    type: Literal["conversation_closed"] = "conversation_closed"
    opening: int
    by: str
    first_response_seconds: float | None = None
    resolution_seconds: float | None = None


class TicketOpened(DeskFact):
    """ticket.events: a ticket was made, once."""

    type: Literal["ticket_opened"] = "ticket_opened"
    ticket: str
    number: int
    kind: str
    priority: str = "normal"
    by: str
    """A flow's name, or a key's id."""


class TicketAssigned(DeskFact):
    """ticket.events: a ticket was given to a person, a team, or nobody."""

    type: Literal["ticket_assigned"] = "ticket_assigned"
    ticket: str
    number: int
    assignee: str | None = None
    team: str | None = None
    by: str


class TicketReplied(DeskFact):
    """ticket.events: staff answered the customer of an open ticket for the first time."""

    type: Literal["ticket_replied"] = "ticket_replied"
    ticket: str
    number: int
    by: str
    first_response_seconds: float
    """Working seconds since the ticket was opened."""
    assignee: str | None = None
    team: str | None = None


class TicketStateChanged(DeskFact):
    """ticket.events: a ticket moved on."""

    type: Literal["ticket_state_changed"] = "ticket_state_changed"
    ticket: str
    number: int
    kind: str
    state: str
    previous: str
    by: str
    resolution_seconds: float | None = None
    """Only when it closed: working seconds since the opening, less the waiting for the customer."""
    assignee: str | None = None
    team: str | None = None


class TicketBreached(DeskFact):
    """ticket.events: a target passed unmet, told once a target."""

    type: Literal["ticket_breached"] = "ticket_breached"
    ticket: str
    number: int
    target: Literal["first_response", "resolution"]


class PersonErased(Event):
    """erasures: records of this subject up to `erased_at` are dropped, also in replays. Key: keyed hash."""

    subject: str
    erased_at: datetime


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
