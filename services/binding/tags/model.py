"""What a tag is, and how a member gets and loses one: pure rules (features F30)."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from services.binding.members.model import Member, Tag, fact_id
from shared.events import MemberFact, MemberTagged, MemberUntagged
from shared.tags import TAG_LIMIT, compared_tag

TAGS_LIMIT = 100
"""Tags of a member."""
LATEST = datetime(3000, 1, 1, tzinfo=UTC)
STAFF, IMPORT, EXPIRED = "staff", "import", "expired"


class BadTag(ValueError):
    """A text that cannot be a tag, or a time at which none can expire; the text says why."""


class TooManyTags(Exception):
    """The member has as many tags as one may have."""

    def __init__(self) -> None:
        super().__init__(f"a member has at most {TAGS_LIMIT} tags")


def normalise_tag(text: str) -> str:
    """Return a tag as it is shown: NFKC, without outer blanks, letter case as given.

    Raises:
        BadTag: empty, too long, or with characters that cannot be seen.
    """
    name = unicodedata.normalize("NFKC", text).strip()
    if not name:
        raise BadTag("a tag must not be blank")
    if len(name) > TAG_LIMIT:
        raise BadTag(f"a tag has at most {TAG_LIMIT} characters")
    if any(unicodedata.category(char).startswith("C") for char in name):
        raise BadTag("a tag must not hold control characters")
    return name


def check_expiry(expires_at: datetime, now: datetime) -> datetime:
    """Return a time of expiry as it is kept: UTC, to the millisecond.

    Raises:
        BadTag: it is over already, or further away than anyone can mean.
    """
    if not now < expires_at < LATEST:
        raise BadTag("a tag must expire in the future, before the year 3000")
    return expires_at.astimezone(UTC).replace(microsecond=expires_at.microsecond // 1000 * 1000)


def has_tag(member: Member, name: str, at: datetime) -> bool:
    """Whether the member has a tag that has not expired."""
    held = member.tags.get(compared_tag(name))
    return held is not None and not _over(held, at)


def tag(
    member: Member, name: str, origin: str, at: datetime, expires_at: datetime | None = None
) -> tuple[MemberFact, ...]:
    """Give the member a tag. One it has keeps its name, origin and time: only its expiry becomes the given one.

    Raises:
        TooManyTags: it has the most there may be.
    """
    compared = compared_tag(name)
    lapsed = expire(member, at)
    held = member.tags.get(compared)
    if held is not None:
        member.tags[compared] = Tag(held.name, held.origin, held.since, expires_at)
        return lapsed
    if len(member.tags) >= TAGS_LIMIT:
        raise TooManyTags
    member.tags[compared] = Tag(name, origin, at, expires_at)
    tagged = MemberTagged(
        id=fact_id("tagged", member.id, str(member.version), compared),
        channel=member.channel,
        occurred_at=at,
        member=member.id,
        contact=member.main_contact,
        tag=name,
        origin=origin,
        expires_at=expires_at,
    )
    return (*lapsed, tagged)


def untag(member: Member, name: str, origin: str, at: datetime) -> tuple[MemberFact, ...]:
    """Take a tag away; one that the member does not have changes nothing."""
    held = member.tags.pop(compared_tag(name), None)
    return () if held is None else (_untagged(member, held, origin, at),)


def expire(member: Member, at: datetime) -> tuple[MemberFact, ...]:
    """Take away the tags whose time is over: each fact tells when it was."""
    over = [held for held in member.tags.values() if _over(held, at)]
    for held in over:
        del member.tags[compared_tag(held.name)]
    return tuple(_untagged(member, held, EXPIRED, held.expires_at or at) for held in over)


def _over(held: Tag, at: datetime) -> bool:
    return held.expires_at is not None and held.expires_at <= at


def _untagged(member: Member, held: Tag, origin: str, at: datetime) -> MemberUntagged:
    compared = compared_tag(held.name)
    return MemberUntagged(
        id=fact_id("untagged", member.id, str(member.version), compared),
        channel=member.channel,
        occurred_at=at,
        member=member.id,
        contact=member.main_contact,
        tag=held.name,
        origin=origin,
    )
