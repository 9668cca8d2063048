"""Add-friend sources: GET /s/{code}, and the LIFF page that names the visitor where the account has LIFF."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from services.ingest.accounts import Accounts
from services.ingest.bodies import Bodies
from services.ingest.links.api import PRIVATE, broken_link, redirect, remember
from services.ingest.links.model import COOKIE, is_robot, visitor_of
from services.ingest.metrics import IngestMetrics
from services.ingest.settings import IngestSettings
from services.ingest.sources.identity import LineIdentity, LineUnreachable, NotVouched
from services.ingest.sources.page import codes_in, content_policy, render
from services.ingest.web import fact, json_body, try_to_record
from services.ingest.webhook.api import Publisher
from shared.channels import Channel
from shared.events import SourceHit
from shared.ids import contact_id, new_id
from shared.links import BadLink, LinkKeys, Source
from shared.problems import Problem
from shared.topics import WEB_EVENTS

logger = logging.getLogger(__name__)


class Arrival(BaseModel):
    """What the LIFF page reports."""

    code: Annotated[str, Field(max_length=256)]
    id_token: Annotated[str, Field(max_length=8192)] | None = None


@dataclass(frozen=True)
class SourceDeps:
    """What the room works with."""

    settings: IngestSettings
    keys: LinkKeys
    accounts: Accounts
    publisher: Publisher
    bodies: Bodies
    metrics: IngestMetrics
    identity: Callable[[], LineIdentity]
    now: Callable[[], datetime]


class Sources:
    """Records where people come from and brings them to the add-friend screen."""

    def __init__(self, deps: SourceDeps) -> None:
        self._deps = deps
        self._secure = deps.settings.public_url.startswith("https://")

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [
            Route("/s/{code}", self.arrive, methods=["GET"]),
            Route("/liff/source", self.serve_liff, methods=["GET", "POST"]),
        ]

    async def arrive(self, request: Request) -> Response:
        """Send the person through LIFF where the account has it, else record the hit and open the add-friend screen."""
        code = request.path_params["code"]
        found = self._find(code)
        if found is None:
            return broken_link()
        source, channel = found
        robot = is_robot(request.method, request.headers)
        if _has_liff(channel) and not robot:
            return redirect(f"{self._deps.settings.liff_url}/{channel.liff_id}?{urlencode({'code': code})}")
        visitor = None if robot else visitor_of(request.cookies.get(COOKIE))
        await self._record(request, source, visitor=visitor, robot=robot)
        response = redirect(self._add_friend_url(channel))
        if visitor is not None:
            remember(response, visitor, self._secure)
        return response

    async def serve_liff(self, request: Request) -> Response:
        """Serve the LIFF app's endpoint URL: the page, and what the page reports."""
        return await (self.report if request.method == "POST" else self.show_page)(request)

    async def show_page(self, request: Request) -> Response:
        """Serve the page that LIFF opens."""
        for code in codes_in(request.query_params.multi_items()):
            found = self._find(code)
            if found is not None and _has_liff(found[1]):
                return self._page(code, found[1])
        return broken_link()

    async def report(self, request: Request) -> Response:
        """Record the hit with the contact LINE vouches for. LINE being unreachable costs the name, not the friend."""
        arrival = _read_arrival(await json_body(request, self._deps.bodies))
        found = self._find(arrival.code)
        if found is None:
            raise Problem("bad-request", "/code")
        source, channel = found
        contact = await self._contact(channel, arrival.id_token)
        visitor = visitor_of(request.cookies.get(COOKIE))
        await self._record(request, source, visitor=visitor, contact=contact)
        response = JSONResponse({"add_friend_url": self._add_friend_url(channel)}, headers=PRIVATE)
        remember(response, visitor, self._secure)
        return response

    def _find(self, code: str) -> tuple[Source, Channel] | None:
        try:
            source = self._deps.keys.read_source(code)
        except BadLink:
            return None
        channel = self._deps.accounts.channel(source.channel)
        return None if channel is None else (source, channel)

    def _page(self, code: str, channel: Channel) -> Response:
        settings, nonce = self._deps.settings, secrets.token_urlsafe(16)
        page = render(
            name=channel.name,
            language=channel.language,
            code=code,
            liff_id=channel.liff_id or "",
            add_friend_url=self._add_friend_url(channel),
            sdk=settings.liff_sdk_url,
            nonce=nonce,
        )
        line = (settings.line_api_url, settings.line_login_url, settings.liff_url, settings.liff_sdk_url)
        policy = content_policy(nonce, settings.liff_sdk_url, line)
        return HTMLResponse(page, headers={**PRIVATE, "content-security-policy": policy})

    async def _contact(self, channel: Channel, id_token: str | None) -> str | None:
        if id_token is None or not _has_liff(channel):
            return None
        try:
            user = await self._deps.identity().user_of(channel, id_token)
        except NotVouched:
            raise Problem("bad-signature", "LINE does not vouch for this token") from None
        except LineUnreachable as error:
            logger.warning("a source hit without its contact: LINE did not answer", extra={"reason": str(error)})
            return None
        return contact_id(channel.slug, user)

    async def _record(
        self, request: Request, source: Source, *, visitor: str | None, contact: str | None = None, robot: bool = False
    ) -> None:
        event = SourceHit(
            id=new_id("hit"),
            channel=source.channel,
            occurred_at=self._deps.now(),
            source=source.name,
            visitor=visitor,
            contact=contact,
            robot=robot,
        )
        record = fact(WEB_EVENTS, event, contact or visitor, event.type, request)
        if not await try_to_record(self._deps.publisher, record, self._deps.metrics.source_hits_lost):
            logger.error("a source hit was not recorded", extra={"event_id": event.id, "source": source.name})

    def _add_friend_url(self, channel: Channel) -> str:
        return self._deps.settings.line_me_url + urlsplit(channel.add_friend_url).path


def _has_liff(channel: Channel) -> bool:
    """Whether LINE can vouch for a visitor: a LIFF app, and the login channel it belongs to."""
    return channel.liff_id is not None and channel.login_channel_id is not None


def _read_arrival(body: bytes) -> Arrival:
    try:
        return Arrival.model_validate_json(body)
    except ValidationError:
        raise Problem("bad-request") from None
