"""Account link for the shop's site (line-platform §7.1): link tokens for members, nonces for logged-in customers."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from services.binding.accountlinks.model import issue
from services.binding.accountlinks.store import NonceStore
from services.binding.members.api import visible_member
from services.binding.members.model import BadKey, normalise_key
from services.binding.members.store import MemberStore
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.ids import split_contact
from shared.line.client import LineClient
from shared.line.outcomes import Rejected
from shared.line.users import LinkToken
from shared.problems import Problem


class LinkTokenView(BaseModel):
    """LINE's link token for one member: send the person to your log-in page with it. 10 minutes, one use."""

    contact: str
    link_token: str


class NonceBody(BaseModel):
    """A customer who has logged in on the shop's site."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    customer_key: str
    link_token: Annotated[str, Field(min_length=1, max_length=255)]


class NonceView(BaseModel):
    """Where to send the customer's browser next; LINE then tells binding by webhook."""

    nonce: str
    expires_at: datetime
    redirect_url: str


def account_link_routes(
    store: MemberStore,
    nonces: NonceStore,
    line: LineClient,
    channels: Channels,
    keys: AdminKeys,
    login_url: str,
    now: Now,
) -> APIRouter:
    """Return the routes of the account link."""
    router = APIRouter(prefix="/v1", tags=["account link"])
    linker = Annotated[Principal, Depends(allowed(keys, "members.link"))]

    @router.post("/members/{member_id}/link-token", status_code=201)
    async def issue_link_token(member_id: str, principal: linker) -> LinkTokenView:
        """Ask LINE for a link token for the member's contact."""
        member = await visible_member(store, member_id, principal)
        contact = next(iter(member.contacts), None)
        if contact is None:
            raise Problem("conflict", "this member has no LINE contact")
        channel, user_id = split_contact(contact)
        match await line.users.issue_link_token(channel, user_id):
            case LinkToken(token=token):
                return LinkTokenView(contact=contact, link_token=token)
            case Rejected():
                raise Problem("conflict", "LINE issues no link token for this contact: it is no friend of the account")
            case _:
                raise Problem("unavailable", "LINE does not answer now; try again in a moment")

    @router.post("/account-links", status_code=201)
    async def create_nonce(body: NonceBody, principal: linker) -> NonceView:
        """Issue a nonce for a logged-in customer and say where to redirect."""
        if channels.get(body.channel) is None or not principal.sees(body.channel):
            raise Problem("not-found", "no such channel")
        try:
            normalise_key(body.customer_key)
        except BadKey as error:
            raise Problem("invalid", errors=[{"pointer": "/customer_key", "detail": str(error)}]) from None
        nonce = issue(body.channel, body.customer_key, now())
        await nonces.add(nonce)
        query = urlencode({"linkToken": body.link_token, "nonce": nonce.value})
        url = f"{login_url}/dialog/bot/accountLink?{query}"
        return NonceView(nonce=nonce.value, expires_at=nonce.expires_at, redirect_url=url)

    return router
