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


class PersonErased(Event):
    """erasures: records of this subject up to `erased_at` are dropped, also in replays. Key: keyed hash."""

    subject: str
    erased_at: datetime


WebEvent = Annotated[LinkClicked | PageViewed | SourceHit, Field(discriminator="type")]
MemberEvent = Annotated[
    MemberFollowed | MemberUnfollowed | MemberAttributed | MemberBound | MemberUnbound | MemberLinkFailed,
    Field(discriminator="type"),
]

WEB_EVENT: TypeAdapter[LinkClicked | PageViewed | SourceHit] = TypeAdapter(WebEvent)
MEMBER_EVENT: TypeAdapter[
    MemberFollowed | MemberUnfollowed | MemberAttributed | MemberBound | MemberUnbound | MemberLinkFailed
] = TypeAdapter(MemberEvent)

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
    ),
    topics.LINE_SENT: (MessageSent,),
    topics.ERASURES: (PersonErased,),
}
"""The contracts of each topic that something writes today; AsyncAPI is generated from this."""


def encode(event: Event) -> bytes:
    """Serialise an event for its topic: compact JSON, absent values left out."""
    return event.model_dump_json(exclude_none=True).encode()
