"""Routes for staff: members and erasure."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from services.binding.members.changes import MemberChanges
from services.binding.members.erasure import erase_member
from services.binding.members.model import Member
from services.binding.members.store import MemberStore
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now
from shared.erasures import Erasures
from shared.problems import Problem


class ContactView(BaseModel):
    """A LINE address of a member."""

    id: str
    channel: str
    user_id: str
    following: bool | None
    first_followed_at: datetime | None
    followed_at: datetime | None
    unfollowed_at: datetime | None
    source: str | None
    source_basis: str | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None


class MemberView(BaseModel):
    """A member as staff see it."""

    id: str
    channel: str
    version: int
    bound: bool
    keys: dict[str, str]
    tags: list[str]
    contacts: list[ContactView]
    created_at: datetime
    updated_at: datetime


class MemberPage(BaseModel):
    """A page of members."""

    items: list[MemberView]
    next_cursor: str | None


def member_view(member: Member) -> MemberView:
    """Return what staff see of a member."""
    return MemberView(
        id=member.id,
        channel=member.channel,
        version=member.version,
        bound=member.bound,
        keys={"customer": member.key.value} if member.key else {},
        tags=sorted(tag.name for tag in member.tags.values()),
        contacts=[ContactView.model_validate(contact, from_attributes=True) for contact in member.contacts.values()],
        created_at=member.created_at,
        updated_at=member.updated_at,
    )


async def visible_member(store: MemberStore, member_id: str, principal: Principal) -> Member:
    """Return a member the caller may see.

    Raises:
        Problem: 404, the same for one that does not exist, was erased, or is another channel's.
    """
    member = await store.get(member_id)
    if member is None or member.erased_at is not None or not principal.sees(member.channel):
        raise Problem("not-found", "no such member")
    return member


def member_routes(changes: MemberChanges, erasures: Erasures, audit: Audit, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes of `/v1/members`."""
    router = APIRouter(prefix="/v1/members", tags=["members"])
    store = changes.store
    reader = Annotated[Principal, Depends(allowed(keys, "members.read"))]
    eraser = Annotated[Principal, Depends(allowed(keys, "members.erase"))]

    @router.get("")
    async def list_members(
        principal: reader,
        channel: str | None = None,
        contact: Annotated[str | None, Query(description="`{channel}:{LINE user id}`")] = None,
        bound: bool | None = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> MemberPage:
        """List members by id, or find the one that has a contact."""
        if channel is not None and not principal.sees(channel):
            raise Problem("not-found", "no such channel")
        if contact is not None:
            found = await store.by_contact(contact)
            hit = [found] if found is not None and principal.sees(found.channel) else []
            return MemberPage(items=[member_view(member) for member in hit], next_cursor=None)
        after = decode_cursor(cursor, 1)
        channels = [channel] if channel else None if principal.sees("*") else sorted(principal.channels)
        position = str(after[0]) if after else None
        members = await store.page(channels, bound=bound, after=position, limit=limit + 1)
        more = encode_cursor([members[limit - 1].id]) if len(members) > limit else None
        return MemberPage(items=[member_view(member) for member in members[:limit]], next_cursor=more)

    @router.get("/{member_id}")
    async def get_member(member_id: str, principal: reader, response: Response) -> MemberView:
        """Show a member; the ETag is its version."""
        member = await visible_member(store, member_id, principal)
        response.headers["etag"] = f'"{member.version}"'
        return member_view(member)

    @router.delete("/{member_id}", status_code=204)
    async def delete_member(member_id: str, principal: eraser) -> None:
        """Erase a person: nothing about them is kept but that the id is gone."""
        member = await visible_member(store, member_id, principal)
        await audit.note(principal.id, "members.erase", member.id)
        await erase_member(member.id, changes, erasures, now)

    return router
