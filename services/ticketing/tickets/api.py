"""Routes for staff: the board of tickets, one ticket, its changes, opening one for a contact."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Response

from services.ticketing.tickets.changes import Desks, Opening, TicketChanges
from services.ticketing.tickets.edits import edit_of
from services.ticketing.tickets.model import BadTransition, State, Ticket
from services.ticketing.tickets.store import Filter, MongoTickets
from services.ticketing.tickets.views import (
    Contact,
    NewTicket,
    TicketPage,
    TicketPatch,
    TicketView,
    summary,
    whole,
)
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.ids import split_contact
from shared.preconditions import Expected, Idempotency, body_digest, etag, same_request
from shared.problems import Problem


async def visible_ticket(store: MongoTickets, ticket_id: str, principal: Principal) -> Ticket:
    """Return a ticket the caller may see.

    Raises:
        Problem: 404, the same for one that does not exist or is another channel's.
    """
    ticket = await store.get(ticket_id)
    if ticket is None or not principal.sees(ticket.channel):
        raise Problem("not-found", "no such ticket")
    return ticket


async def page_of(
    store: MongoTickets, channels: list[str], narrow: Filter, cursor: str | None, limit: int
) -> tuple[list[Ticket], str | None]:
    """Return a page, account after account, the newest number first, and the cursor of the next one."""
    after = decode_cursor(cursor, 2)
    if after is not None and not (isinstance(after[0], str) and isinstance(after[1], int)):
        raise Problem("invalid", errors=[{"pointer": "/query/cursor", "detail": "is no cursor of this list"}])
    found: list[Ticket] = []
    for channel in sorted(channels):
        if after is not None and channel < after[0]:
            continue
        before = after[1] if after is not None and channel == after[0] else None
        found += await store.page(channel, narrow, before=before, limit=limit + 1 - len(found))
        if len(found) > limit:
            last = found[limit - 1]
            return found[:limit], encode_cursor([last.channel, last.number])
    return found, None


def ticket_routes(
    changes: TicketChanges, desks: Desks, channels: Channels, audit: Audit, keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes of `/v1/tickets`."""
    router = APIRouter(prefix="/v1/tickets", tags=["tickets"])
    store = changes.store
    reader = Annotated[Principal, Depends(allowed(keys, "tickets.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "tickets.write"))]

    def listed(channel: str | None, contact: str | None, principal: Principal) -> list[str]:
        """The accounts to list, of those the caller sees."""
        wanted = channel or (split_contact(contact)[0] if contact else None)
        if wanted is None:
            return principal.only([account.slug for account in channels])
        if not principal.sees(wanted):
            raise Problem("not-found", "no such channel")
        return [wanted] if contact is None or split_contact(contact)[0] == wanted else []

    async def shown(ticket: Ticket, response: Response) -> TicketView:
        response.headers["etag"] = etag(ticket.version)
        return whole(ticket, await desks.desk(ticket.channel), now())

    @router.get("")
    async def list_tickets(
        principal: reader,
        channel: str | None = None,
        state: State | None = None,
        assignee: Annotated[str | None, Query(max_length=64)] = None,
        team: Annotated[str | None, Query(max_length=64)] = None,
        contact: Contact | None = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> TicketPage:
        """List tickets by account, the newest first."""
        narrow = Filter(state, assignee, team, contact)
        found, more = await page_of(store, listed(channel, contact, principal), narrow, cursor, limit)
        return TicketPage(items=[summary(ticket) for ticket in found], next_cursor=more)

    @router.post("", status_code=201)
    async def open_ticket(
        body: NewTicket, key: Idempotency, principal: writer, background: BackgroundTasks, response: Response
    ) -> TicketView:
        """Open a ticket for a contact; the same Idempotency-Key is the same ticket."""
        channel, _ = split_contact(body.contact)
        if channels.get(channel) is None or not principal.sees(channel):
            raise Problem("not-found", "no such channel")
        given = body.model_dump()
        opening = Opening(
            id=key.object_id("tkt", principal, channel),
            channel=channel,
            by=principal.id,
            at=now(),
            request=body_digest(given),
            **given,
        )
        await audit.note(principal.id, "tickets.write", opening.id)
        ticket = await changes.open(opening)
        same_request(ticket.request or "", opening.request or "")
        background.add_task(changes.dispatch, ticket.id)
        response.headers["location"] = f"/v1/tickets/{ticket.id}"
        return await shown(ticket, response)

    @router.get("/{ticket_id}")
    async def get_ticket(ticket_id: str, principal: reader, response: Response) -> TicketView:
        """Show a ticket; the ETag is its version."""
        return await shown(await visible_ticket(store, ticket_id, principal), response)

    @router.patch("/{ticket_id}")
    async def change_ticket(
        ticket_id: str,
        body: TicketPatch,
        expected: Expected,
        principal: writer,
        background: BackgroundTasks,
        response: Response,
    ) -> TicketView:
        """Change state, assignee, team or priority. The customer is told of a new state; a state that may not follow
        answers 409 with those that may."""
        await visible_ticket(store, ticket_id, principal)
        await audit.note(principal.id, "tickets.write", ticket_id)
        try:
            ticket = await changes.change(ticket_id, edit_of(body, principal.id, expected))
        except BadTransition as error:
            raise Problem("conflict", str(error), errors=[{"pointer": "/state", "detail": str(error)}]) from None
        if ticket is None:
            raise Problem("not-found", "no such ticket")
        background.add_task(changes.dispatch, ticket.id)
        return await shown(ticket, response)

    return router
