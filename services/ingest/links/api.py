"""GET /r/{token}: records the click, then sends the person on. The address is inside the signed token, nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from services.ingest.links.model import COOKIE, COOKIE_SECONDS, is_robot, visitor_of
from services.ingest.metrics import IngestMetrics
from services.ingest.web import fact, try_to_record
from services.ingest.webhook.api import Publisher
from shared.events import LinkClicked
from shared.ids import new_id
from shared.links import BadLink, LinkKeys
from shared.topics import WEB_EVENTS

logger = logging.getLogger(__name__)

PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
_BROKEN = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>404</title><p>連結無效 / このリンクは無効です / ลิงก์นี้ใช้ไม่ได้ / This link does not work</p>
"""


def redirect(url: str) -> Response:
    """Send a browser on, without telling the next site where it came from."""
    return Response(status_code=302, headers={**PRIVATE, "location": url})


def broken_link() -> Response:
    """Say that a link does not work, to whoever followed it, in the languages the accounts speak."""
    return HTMLResponse(_BROKEN, 404, headers={**PRIVATE, "content-security-policy": "default-src 'none'"})


def remember(response: Response, visitor: str, secure: bool) -> None:
    """Give the browser its visitor id, readable by this host alone and by no script."""
    response.set_cookie(COOKIE, visitor, COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure)


class Links:
    """Tracked links."""

    def __init__(
        self,
        keys: LinkKeys,
        publisher: Publisher,
        metrics: IngestMetrics,
        now: Callable[[], datetime],
        *,
        secure: bool,
    ) -> None:
        self._keys, self._publisher, self._metrics, self._now = keys, publisher, metrics, now
        self._secure = secure

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [Route("/r/{token}", self.follow, methods=["GET"])]

    async def follow(self, request: Request) -> Response:
        """Record the click and redirect. If the broker cannot take it in a second, redirect and count the loss."""
        try:
            click = self._keys.read_click(request.path_params["token"], self._now())
        except BadLink:
            return broken_link()
        robot = is_robot(request.method, request.headers)
        visitor = None if robot else visitor_of(request.cookies.get(COOKIE))
        event = LinkClicked(
            id=new_id("clk"),
            channel=click.channel,
            occurred_at=self._now(),
            link=click.link,
            url=click.url,
            visitor=visitor,
            member=click.member,
            robot=robot,
        )
        record = fact(WEB_EVENTS, event, click.member or visitor, event.type, request)
        if not await try_to_record(self._publisher, record, self._metrics.clicks_lost):
            logger.error("a click was redirected but not recorded", extra={"event_id": event.id, "link": click.link})
        response = redirect(click.url)
        if visitor is not None:
            remember(response, visitor, self._secure)
        return response
