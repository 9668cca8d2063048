"""The open API for the customer key (features F45, F46, F51): PUT, GET, DELETE, with history."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from services.binding.members.api import visible_member
from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import BadKey, Member, bind, normalise_key, unbind
from services.binding.members.store import KeyTaken
from services.binding.menus.model import menu_item
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now
from shared.problems import Problem


class KeyBody(BaseModel):
    """A customer key to set."""

    model_config = ConfigDict(extra="forbid")

    value: str


class KeyChangeView(BaseModel):
    """One change of a key: who, when, old and new."""

    at: datetime
    by: str
    old: str | None
    new: str | None


class KeyView(BaseModel):
    """The customer key of a member; `value` null reads unbound."""

    member: str
    value: str | None
    since: datetime | None
    by: str | None
    history: list[KeyChangeView]


def _view(member: Member) -> KeyView:
    key = member.key
    return KeyView(
        member=member.id,
        value=key.value if key else None,
        since=key.since if key else None,
        by=key.by if key else None,
        history=[KeyChangeView.model_validate(change, from_attributes=True) for change in member.history],
    )


def menu_items_of(member: Member, because: str) -> Change:
    """Return the change that gives each of a member's contacts the menu of its new state."""
    return Change(sends=[menu_item(contact, because) for contact in member.contacts.values()])


def key_routes(changes: MemberChanges, audit: Audit, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes of `/v1/members/{id}/keys/customer`."""
    router = APIRouter(prefix="/v1/members/{member_id}/keys/customer", tags=["keys"])
    reader = Annotated[Principal, Depends(allowed(keys, "members.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "members.keys.write"))]

    async def change(member_id: str, principal: Principal, value: str | None) -> KeyView:
        await visible_member(changes.store, member_id, principal)
        by = f"key:{principal.id}"

        def decide(member: Member) -> Change:
            before = member.key
            facts = bind(member, value, by, now()) if value is not None else unbind(member, by, now())
            if member.key == before:
                return Change()
            menus = menu_items_of(member, f"{member.id}.key.{member.version}") if facts else Change()
            return Change(facts=list(facts), sends=menus.sends, tell=True, touched=True)

        member = await changes.of_member(member_id, decide)
        if member is None:
            raise Problem("not-found", "no such member")
        return _view(member)

    @router.get("")
    async def get_key(member_id: str, principal: reader) -> KeyView:
        """Show the customer key and its history."""
        return _view(await visible_member(changes.store, member_id, principal))

    @router.put("")
    async def put_key(member_id: str, body: KeyBody, principal: writer) -> KeyView:
        """Bind the member. The same key again changes nothing; one that another member holds answers 409."""
        try:
            normalise_key(body.value)
            await audit.note(principal.id, "members.keys.write", member_id)
            return await change(member_id, principal, body.value)
        except BadKey as error:
            raise Problem("invalid", errors=[{"pointer": "/value", "detail": str(error)}]) from None
        except KeyTaken:
            raise Problem("conflict", "another member of this account holds this customer key") from None

    @router.delete("")
    async def delete_key(member_id: str, principal: writer) -> KeyView:
        """Unbind the member; the history is kept. Without a key nothing changes."""
        await audit.note(principal.id, "members.keys.write", member_id)
        return await change(member_id, principal, None)

    return router
