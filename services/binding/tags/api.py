"""The tags of a member: PUT, DELETE, GET (features F30)."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.binding.members.api import visible_member
from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member
from services.binding.tags.model import (
    STAFF,
    BadTag,
    TooManyTags,
    check_expiry,
    normalise_tag,
    tag,
    untag,
)
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now
from shared.problems import Problem
from shared.tags import compared_tag


class TagBody(BaseModel):
    """How a tag is given: until when (for good where absent), and by what."""

    model_config = ConfigDict(extra="forbid")

    expires_at: AwareDatetime | None = None
    origin: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,63}$", description="campaign:cmp_…, quiz, …")] = (
        STAFF
    )


class TagView(BaseModel):
    """A tag of a member: what gave it first and when, and when it leaves by itself."""

    tag: str
    origin: str
    since: datetime
    expires_at: datetime | None


class TagList(BaseModel):
    """The tags of a member, by name; 100 at most, so there are no pages."""

    member: str
    items: list[TagView]


def _views(member: Member) -> list[TagView]:
    return [
        TagView(tag=held.name, origin=held.origin, since=held.since, expires_at=held.expires_at)
        for held in sorted(member.tags.values(), key=lambda held: held.name)
    ]


def _read(text: str) -> str:
    try:
        return normalise_tag(text)
    except BadTag as error:
        raise Problem("invalid", errors=[{"pointer": "/path/tag", "detail": str(error)}]) from None


def _expiry(body: TagBody, now: datetime) -> datetime | None:
    try:
        return check_expiry(body.expires_at, now) if body.expires_at is not None else None
    except BadTag as error:
        raise Problem("invalid", errors=[{"pointer": "/body/expires_at", "detail": str(error)}]) from None


def tag_routes(changes: MemberChanges, audit: Audit, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes of `/v1/members/{id}/tags`."""
    router = APIRouter(prefix="/v1/members/{member_id}/tags", tags=["tags"])
    reader = Annotated[Principal, Depends(allowed(keys, "members.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "members.tags.write"))]

    @router.get("")
    async def list_tags(member_id: str, principal: reader) -> TagList:
        """Show a member's tags."""
        member = await visible_member(changes.store, member_id, principal)
        return TagList(member=member.id, items=_views(member))

    @router.put("/{name:path}")
    async def put_tag(member_id: str, name: str, principal: writer, body: TagBody | None = None) -> TagView:
        """Tag the member. A tag it has keeps its origin and time, and expires when this says (never, where absent)."""
        shown, given = _read(name), body or TagBody()
        expires_at = _expiry(given, now())
        await visible_member(changes.store, member_id, principal)
        await audit.note(principal.id, "members.tags.write", member_id)

        def decide(member: Member) -> Change:
            before = dict(member.tags)
            facts = tag(member, shown, given.origin, now(), expires_at)
            return Change(facts=list(facts), touched=member.tags != before)

        try:
            member = await changes.of_member(member_id, decide)
        except TooManyTags as error:
            raise Problem("conflict", str(error)) from None
        if member is None:
            raise Problem("not-found", "no such member")
        return next(view for view in _views(member) if compared_tag(view.tag) == compared_tag(shown))

    @router.delete("/{name:path}", status_code=204)
    async def delete_tag(member_id: str, name: str, principal: writer) -> None:
        """Take a tag away. One that the member does not have changes nothing."""
        shown = _read(name)
        await visible_member(changes.store, member_id, principal)
        await audit.note(principal.id, "members.tags.write", member_id)

        def decide(member: Member) -> Change:
            facts = untag(member, shown, STAFF, now())
            return Change(facts=list(facts))

        if await changes.of_member(member_id, decide) is None:
            raise Problem("not-found", "no such member")

    return router
