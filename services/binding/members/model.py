"""What a member is, and how LINE's events change one: pure rules.

State that LINE timestamps (follow, unfollow) changes only for a newer event time (design §5, third guard): events may
arrive late and out of order, so facts are told of changes of state, not of arrivals.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.events import (
    ContactState,
    MemberAttributed,
    MemberBound,
    MemberFact,
    MemberFollowed,
    MemberSnapshot,
    MemberUnbound,
    MemberUnfollowed,
)
from shared.ids import split_contact, stable_uuid

SEEN_RESOLUTION = timedelta(hours=1)
"""How far `last_seen_at` moves before a snapshot is worth publishing for it alone."""

HISTORY_LIMIT = 200
KEY_LIMIT = 64


class BadKey(ValueError):
    """A customer key that cannot be one; the text says why."""


@dataclass(slots=True)
class Contact:
    """A LINE user of one account. `following` is None until LINE told of a follow or unfollow."""

    id: str
    following: bool | None = None
    changed_at: datetime | None = None
    """Event time of the newest follow or unfollow."""
    first_followed_at: datetime | None = None
    followed_at: datetime | None = None
    unfollowed_at: datetime | None = None
    source: str | None = None
    source_basis: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    """Last offset applied, per topic: a record at or below it was applied before (second guard)."""

    @property
    def channel(self) -> str:
        """The account's slug."""
        return split_contact(self.id)[0]

    @property
    def user_id(self) -> str:
        """The LINE user id."""
        return split_contact(self.id)[1]


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """The customer's id in the shop's own system, as given, and the form in which it is compared."""

    value: str
    since: datetime
    by: str

    @property
    def compared(self) -> str:
        """Full width, letter case and outer blanks do not make another key."""
        return normalise_key(self.value)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """An entry of the key's history; `new` is None for an unbinding."""

    at: datetime
    by: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as it was first given: its name as shown, what gave it (staff, import, …), since when and until when."""

    name: str
    origin: str
    since: datetime
    expires_at: datetime | None = None


@dataclass(slots=True)
class Member:
    """A person. `version` is of the stored document; the next write makes it one higher."""

    id: str
    channel: str
    created_at: datetime
    updated_at: datetime
    version: int = 0
    contacts: dict[str, Contact] = field(default_factory=dict)
    key: CustomerKey | None = None
    history: list[KeyChange] = field(default_factory=list)
    tags: dict[str, Tag] = field(default_factory=dict)
    """By the form in which tags are compared."""
    erased_at: datetime | None = None
    waiting: int = 0
    """How many outbox items the stored document still had when it was read."""

    @property
    def bound(self) -> bool:
        """A non-empty customer key reads bound (features F45)."""
        return self.key is not None

    @property
    def main_contact(self) -> str | None:
        """The contact that facts about the whole person name."""
        return next(iter(self.contacts), None)

    @property
    def tags_expire_at(self) -> datetime | None:
        """When the next of its tags expires."""
        return min((tag.expires_at for tag in self.tags.values() if tag.expires_at), default=None)

    def contact(self, contact_id: str, at: datetime) -> Contact:
        """Return the contact, made on its first event of any kind."""
        found = self.contacts.get(contact_id)
        if found is None:
            found = self.contacts[contact_id] = Contact(contact_id, first_seen_at=at)
            self.erased_at = None
        return found


def normalise_key(value: str) -> str:
    """Return the form in which customer keys are compared.

    Raises:
        BadKey: empty, too long, or with characters that cannot be seen.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if not text:
        raise BadKey("a customer key must not be blank")
    if len(text) > KEY_LIMIT:
        raise BadKey(f"a customer key has at most {KEY_LIMIT} characters")
    if any(unicodedata.category(char).startswith("C") for char in text):
        raise BadKey("a customer key must not hold control characters")
    return text.casefold()


def see(contact: Contact, at: datetime) -> bool:
    """Note a sign of life; True where it moves `last_seen_at` far enough to tell others."""
    previous = contact.last_seen_at
    if contact.first_seen_at is None or at < contact.first_seen_at:
        contact.first_seen_at = at
    if previous is None or at > previous:
        contact.last_seen_at = at
        return previous is None or at - previous >= SEEN_RESOLUTION
    return False


def _is_news(contact: Contact, at: datetime) -> bool:
    return contact.changed_at is None or at > contact.changed_at


def fact_id(kind: str, *parts: str) -> str:
    """Return the id of a fact of member.events: the same for the same parts, so that a repeat is recognised."""
    return f"mev_{stable_uuid(kind, *parts).hex}"


@dataclass(frozen=True, slots=True)
class Followed:
    """What a follow means: whether it is news (older than what is known is not), and what to tell others."""

    news: bool
    returning: bool
    facts: tuple[MemberFact, ...] = ()


def follow(member: Member, contact: Contact, at: datetime, event_id: str, *, unblocked_hint: bool) -> Followed:
    """Apply a follow. Own history decides who is returning; LINE's `isUnblocked` is a hint where there is none."""
    returning = contact.first_followed_at is not None or unblocked_hint
    if contact.first_followed_at is None or at < contact.first_followed_at:
        contact.first_followed_at = at
    if not _is_news(contact, at):
        return Followed(news=False, returning=returning)
    became = contact.following is not True
    contact.following, contact.changed_at, contact.followed_at = True, at, at
    fact = MemberFollowed(
        id=fact_id("followed", event_id),
        channel=contact.channel,
        occurred_at=at,
        member=member.id,
        contact=contact.id,
        first=not returning,
    )
    return Followed(news=True, returning=returning, facts=(fact,) if became else ())


def unfollow(member: Member, contact: Contact, at: datetime, event_id: str) -> tuple[MemberFact, ...]:
    """Apply an unfollow (the user blocked the account) and return what to tell others."""
    if not _is_news(contact, at):
        return ()
    was = contact.following is True
    contact.following, contact.changed_at, contact.unfollowed_at = False, at, at
    if not was:
        return ()
    return (
        MemberUnfollowed(
            id=fact_id("unfollowed", event_id),
            channel=contact.channel,
            occurred_at=at,
            member=member.id,
            contact=contact.id,
        ),
    )


def attribute(member: Member, contact: Contact, source: str, *, verified: bool) -> tuple[MemberFact, ...]:
    """Join a contact's follow to the source that led to it, once and for good."""
    if contact.source is not None or contact.followed_at is None:
        return ()
    basis = "liff" if verified else "estimated"
    contact.source, contact.source_basis = source, basis
    return (
        MemberAttributed(
            id=fact_id("attributed", contact.id, contact.followed_at.isoformat()),
            channel=contact.channel,
            occurred_at=contact.followed_at,
            member=member.id,
            contact=contact.id,
            source=source,
            basis="liff" if verified else "estimated",
        ),
    )


def bind(member: Member, value: str, by: str, at: datetime) -> tuple[MemberFact, ...]:
    """Give the member a customer key; the same key again changes nothing.

    Raises:
        BadKey: it cannot be one.
    """
    compared = normalise_key(value)
    if member.key is not None and member.key.compared == compared:
        return ()
    old = member.key
    shown = unicodedata.normalize("NFKC", value).strip()
    member.key = CustomerKey(shown, at, by)
    _remember(member, KeyChange(at, by, old.value if old else None, shown))
    fact = MemberBound(
        id=fact_id("bound", member.id, str(member.version)),
        channel=member.channel,
        occurred_at=at,
        member=member.id,
        contact=member.main_contact,
        by=by,
    )
    return () if old is not None else (fact,)


def unbind(member: Member, by: str, at: datetime) -> tuple[MemberFact, ...]:
    """Take the customer key away; history is kept. Without a key nothing changes."""
    if member.key is None:
        return ()
    _remember(member, KeyChange(at, by, member.key.value, None))
    member.key = None
    fact = MemberUnbound(
        id=fact_id("unbound", member.id, str(member.version)),
        channel=member.channel,
        occurred_at=at,
        member=member.id,
        contact=member.main_contact,
        by=by,
    )
    return (fact,)


def erase(member: Member, at: datetime) -> list[str]:
    """Forget everything about a person but that the id is gone; return the contacts that were erased."""
    contacts = list(member.contacts)
    member.contacts, member.key, member.history, member.tags = {}, None, [], {}
    member.erased_at = member.updated_at = at
    return contacts


def snapshot(member: Member, version: int) -> MemberSnapshot:
    """Return what others may know of a member."""
    return MemberSnapshot(
        id=member.id,
        version=version,
        channel=member.channel,
        bound=member.bound,
        keys={"customer": member.key.value} if member.key else {},
        tags=tuple(sorted(tag.name for tag in member.tags.values())),
        contacts=tuple(
            ContactState(
                id=contact.id,
                channel=contact.channel,
                following=contact.following,
                followed_at=contact.followed_at,
                unfollowed_at=contact.unfollowed_at,
                source=contact.source,
                source_basis="liff" if contact.source_basis == "liff" else "estimated" if contact.source else None,
                last_seen_at=contact.last_seen_at,
            )
            for contact in member.contacts.values()
        ),
        created_at=member.created_at,
        updated_at=member.updated_at,
    )


def _remember(member: Member, change: KeyChange) -> None:
    member.history = [*member.history, change][-HISTORY_LIMIT:]
