"""Routes for staff: the working hours and targets of an account's desk."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.ticketing.clocks.hours import OpeningHours
from services.ticketing.clocks.store import MongoHours, StoredHours
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.preconditions import etag, if_match
from shared.problems import Problem


class HoursView(OpeningHours):
    """Hours as staff see them; times of day are the account's."""

    channel: str
    timezone: str
    version: int
    updated_at: datetime
    updated_by: str


def hours_routes(hours: MongoHours, channels: Channels, audit: Audit, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes of `/v1/hours`."""
    router = APIRouter(prefix="/v1/hours/{channel}", tags=["hours"])
    configurer = Annotated[Principal, Depends(allowed(keys, "desk.configure"))]

    def check(channel: str, principal: Principal) -> None:
        if not principal.sees(channel) or channels.get(channel) is None:
            raise Problem("not-found", "no such channel")

    def view(stored: StoredHours, response: Response) -> HoursView:
        response.headers["etag"] = etag(stored.version)
        return HoursView(
            **dict(stored.hours),
            channel=stored.channel,
            timezone=channels[stored.channel].timezone,
            version=stored.version,
            updated_at=stored.updated_at,
            updated_by=stored.updated_by,
        )

    @router.get("")
    async def get_hours(channel: str, principal: configurer, response: Response) -> HoursView:
        """Show the hours; 404 where there are none, and the desk works all the time."""
        check(channel, principal)
        stored = await hours.get(channel)
        if stored is None:
            raise Problem("not-found", "no hours are set: the desk works all the time")
        return view(stored, response)

    @router.put("")
    async def put_hours(
        channel: str, body: OpeningHours, principal: configurer, request: Request, response: Response
    ) -> HoursView:
        """Set the hours. The first need no If-Match, a change does. Open tickets follow from their next change on."""
        check(channel, principal)
        expected = if_match(request) if "if-match" in request.headers else None
        await audit.note(principal.id, "desk.configure", f"hours {channel}")
        stored = StoredHours(channel, (expected or 0) + 1, body, now(), principal.id)
        if await hours.save(stored):
            return view(stored, response)
        if expected is None:
            raise Problem("precondition-required", "there are hours: send the ETag you read as If-Match")
        raise Problem("precondition-failed", "someone changed them since: read them again")

    return router
