"""Who is who: member.state, member.events, erasures."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.events.base import Event, Fact


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
    keys: dict[str, str] = Field(default_factory=dict)
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


class PersonErased(Event):
    """erasures: records of this subject up to `erased_at` are dropped, also in replays. Key: keyed hash."""

    subject: str
    erased_at: datetime
