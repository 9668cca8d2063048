"""Making links for a shop to use: tracked ones, and those of its add-friend sources (features F4, F6)."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channel, Channels
from shared.ids import new_id
from shared.links import LinkKeys
from shared.problems import Problem

Name = Annotated[str, Field(pattern="^[a-z0-9-]{1,32}$")]


class ClickLinkBody(BaseModel):
    """Where a tracked link leads; `member` makes it one person's own."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    url: Annotated[str, Field(max_length=2000)]
    link: Annotated[str, Field(max_length=64, description="groups the clicks; made where absent")] | None = None
    member: Annotated[str, Field(pattern="^mbr_[0-9a-f]{32}$")] | None = None
    expires_at: AwareDatetime | None = None


class ClickLinkView(BaseModel):
    """A tracked link."""

    link: str
    url: str
    expires_at: datetime | None


class SourceLinkBody(BaseModel):
    """A place where people find the account: a window, a flyer, a page."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    source: Name


class SourceLinkView(BaseModel):
    """The address of a source, for a QR code or a button, and the ids by which people find the account by hand."""

    source: str
    url: str
    basic_id: str
    premium_id: str | None


def link_routes(link_keys: LinkKeys, channels: Channels, keys: AdminKeys, public_url: str) -> APIRouter:
    """Return the routes of `/v1/links`."""
    router = APIRouter(prefix="/v1/links", tags=["links"])
    creator = Annotated[Principal, Depends(allowed(keys, "links.create"))]

    def visible(slug: str, principal: Principal) -> Channel:
        channel = channels.get(slug)
        if channel is None or not principal.sees(slug):
            raise Problem("not-found", "no such channel")
        return channel

    @router.post("/clicks", status_code=201)
    async def create_click_link(body: ClickLinkBody, principal: creator) -> ClickLinkView:
        """Make a tracked link."""
        visible(body.channel, principal)
        link = body.link or new_id("lnk")
        try:
            token = link_keys.sign_click(
                channel=body.channel, link=link, url=body.url, member=body.member, expires_at=body.expires_at
            )
        except ValueError as error:
            raise Problem("invalid", errors=[{"pointer": "/url", "detail": str(error)}]) from None
        return ClickLinkView(link=link, url=f"{public_url}/r/{token}", expires_at=body.expires_at)

    @router.post("/sources", status_code=201)
    async def create_source_link(body: SourceLinkBody, principal: creator) -> SourceLinkView:
        """Make the link of an add-friend source; the same source always has the same link."""
        channel = visible(body.channel, principal)
        code = link_keys.sign_source(channel=body.channel, source=body.source)
        return SourceLinkView(
            source=body.source,
            url=f"{public_url}/s/{code}",
            basic_id=channel.basic_id,
            premium_id=channel.premium_id,
        )

    return router
