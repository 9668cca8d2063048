"""A contact as broadcast knows it from `member.state` and from clicks: pure types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.events import MemberSnapshot
from shared.tags import compared_tag

CLICKS_KEPT = 200
"""Newest links, and newest campaigns, that are remembered of a member's clicks."""

_CAMPAIGN = "cmp_"


@dataclass(frozen=True, slots=True)
class Person:
    """A LINE contact of a member. Groups and rooms never are one.

    `following` is None where LINE never told us: somebody who wrote and need not be a friend (features F71).
    """

    contact: str
    channel: str
    member: str
    version: int
    """Of the member's snapshot that this was read from."""
    updated_at: datetime
    """Of that snapshot: decides between two members who claim the contact."""
    bound: bool = False
    tags: tuple[str, ...] = ()
    """In the form in which tags compare."""
    source: str | None = None
    following: bool | None = None
    followed_at: datetime | None = None
    unfollowed_at: datetime | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    clicked_links: tuple[str, ...] = ()
    clicked_campaigns: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether LINE delivers to this contact: only to a friend."""
        return self.following is True


def people_of(snapshot: MemberSnapshot) -> tuple[Person, ...]:
    """Return a snapshot's contacts that are people. What they clicked is no part of a snapshot."""
    return tuple(
        Person(
            contact=contact.id,
            channel=contact.channel,
            member=snapshot.id,
            version=snapshot.version,
            updated_at=snapshot.updated_at,
            bound=snapshot.bound,
            tags=tuple(sorted({compared_tag(tag) for tag in snapshot.tags})),
            source=contact.source,
            following=contact.following,
            followed_at=contact.followed_at,
            unfollowed_at=contact.unfollowed_at,
            first_seen_at=snapshot.created_at,
            last_seen_at=contact.last_seen_at,
        )
        for contact in snapshot.contacts
        if contact.kind == "user"
    )


def campaign_of(link: str) -> str | None:
    """Return the campaign a tracked link belongs to: its id is what comes before the dot in `cmp_….<anything>`."""
    campaign, dot, _ = link.partition(".")
    return campaign if dot and campaign.startswith(_CAMPAIGN) else None


@dataclass(frozen=True, slots=True)
class Clicks:
    """What a member is known to have clicked, oldest first; `version` counts the changes."""

    links: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    version: int = 0


def with_click(clicks: Clicks, link: str) -> Clicks:
    """Return the clicks with one more; the same object where nothing is new."""
    campaign = campaign_of(link)
    links = _added(clicks.links, link)
    campaigns = clicks.campaigns if campaign is None else _added(clicks.campaigns, campaign)
    if links is clicks.links and campaigns is clicks.campaigns:
        return clicks
    return Clicks(links, campaigns, clicks.version + 1)


def _added(known: tuple[str, ...], item: str) -> tuple[str, ...]:
    return known if item in known else (*known, item)[-CLICKS_KEPT:]
