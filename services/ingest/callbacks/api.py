"""POST /callback/{source}: a shop's or donation site's signed news onto commerce.events."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.ingest.accounts import Accounts
from services.ingest.bodies import Bodies
from services.ingest.callbacks.model import CallbackSource, Forged, Malformed, Signed, read, verify
from services.ingest.web import fact, json_body
from services.ingest.webhook.api import Publisher, publish_in_time
from shared.channels import BadFile, load_yaml_list
from shared.problems import Problem
from shared.topics import COMMERCE_EVENTS

SIGNED_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def load_callbacks(path: Path, accounts: Accounts) -> dict[str, CallbackSource]:
    """Read CALLBACKS_FILE.

    Raises:
        BadFile: says which entry is wrong: a field, a slug used twice, an account that does not exist.
    """
    sources = [entry for entry in load_yaml_list(path, CallbackSource) if isinstance(entry, CallbackSource)]
    by_slug = {source.slug: source for source in sources}
    if len(by_slug) != len(sources):
        raise BadFile(f"{path.name}: two sources have the same slug")
    for source in sources:
        if accounts.get(source.channel) is None:
            raise BadFile(f"{path.name}: source {source.slug} names no channel of the channels file")
    return by_slug


class Callbacks:
    """Takes signed callbacks; 202 once the broker has them."""

    def __init__(
        self, sources: dict[str, CallbackSource], publisher: Publisher, bodies: Bodies, now: Callable[[], datetime]
    ) -> None:
        self._sources, self._publisher, self._bodies, self._now = sources, publisher, bodies, now

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        return [Route("/callback/{source}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Verify, publish, answer 202 with the fact's id: the same for a repeated callback."""
        started = time.monotonic()
        source = self._sources.get(request.path_params["source"])
        if source is None:
            raise Problem("not-found")
        body = await json_body(request, self._bodies)
        try:
            webhook_id = verify(source, Signed(*(_single(request, name) for name in SIGNED_HEADERS)), body, self._now())
            event = read(source, webhook_id, body, self._now())
        except Forged:
            raise Problem("bad-signature") from None
        except Malformed as error:
            raise Problem("bad-request", str(error)) from None
        record = fact(COMMERCE_EVENTS, event, event.customer_key, event.type, request)
        await publish_in_time(self._publisher, [record], started)
        return JSONResponse({"id": event.id}, 202)


def _single(request: Request, name: str) -> str | None:
    """Return a header that must be there exactly once."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else None
