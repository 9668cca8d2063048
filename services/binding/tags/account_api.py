"""The tags of an account's members: counted, as CSV, and imported from CSV (features F47)."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.binding.members.changes import MemberChanges
from services.binding.tags.importing import CHANGED, UNCHANGED, import_tags
from services.binding.tags.rows import MOST_BYTES, BadFile, read_file
from services.binding.tags.store import Tagged, TagStore
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.problems import Problem
from shared.spreadsheets import BOM, CSV_TYPE, csv_lines

HEADER = ("member", "contact", "customer_key", "tag", "origin", "since", "expires_at")
_CSV_BODY = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


class TagCountView(BaseModel):
    """A tag, and how many members of the account have it."""

    tag: str
    members: int


class TagCountPage(BaseModel):
    """A page of an account's tags."""

    items: list[TagCountView]
    next_cursor: str | None


class LineError(BaseModel):
    """A line of the file that was left out, and why; the header is line 1."""

    line: int
    detail: str


class ImportReport(BaseModel):
    """What became of a file. Rows add up: changed, unchanged and refused."""

    rows: int
    changed: int
    unchanged: int
    refused: int
    errors: list[LineError]


def account_tag_routes(
    store: TagStore, changes: MemberChanges, channels: Channels, audit: Audit, keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes of `/v1/tags`."""
    router = APIRouter(prefix="/v1/tags", tags=["tags"])
    reader = Annotated[Principal, Depends(allowed(keys, "members.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "members.tags.write"))]

    def seen(channel: str, principal: Principal) -> str:
        if channels.get(channel) is None or not principal.sees(channel):
            raise Problem("not-found", "no such channel")
        return channel

    @router.post("/import", openapi_extra=_CSV_BODY)
    async def import_file(principal: writer, request: Request, channel: Annotated[str, Query()]) -> ImportReport:
        """Apply a CSV: the columns `member`, `contact` or `customer_key`, then `tag`, and `action` (add or remove).

        Good rows are applied, bad ones reported by line. The same file again changes nothing. UTF-8, 1 MiB and 10,000
        rows at most.
        """
        seen(channel, principal)
        body = await _csv_body(request)
        try:
            file = read_file(body)
        except BadFile as error:
            raise Problem("invalid", str(error)) from None
        await audit.note(principal.id, "members.tags.write", f"import:{channel}")
        done = await import_tags(channel, file, store, changes, now)
        return ImportReport(
            rows=len(file.rows) + len(file.bad),
            changed=done.outcomes[CHANGED],
            unchanged=done.outcomes[UNCHANGED],
            refused=len(done.bad),
            errors=[LineError(line=bad.line, detail=bad.reason) for bad in done.bad],
        )

    @router.get("/{channel}")
    async def list_tags(channel: str, principal: reader, cursor: str | None = None, limit: Limit = 50) -> TagCountPage:
        """List the tags of an account's members, each with how many have it."""
        seen(channel, principal)
        after = decode_cursor(cursor, 1)
        found = await store.counts(channel, str(after[0]) if after else None, limit + 1)
        more = encode_cursor([found[limit - 1].compared]) if len(found) > limit else None
        items = [TagCountView(tag=count.name, members=count.members) for count in found[:limit]]
        return TagCountPage(items=items, next_cursor=more)

    @router.get(
        "/{channel}/members.csv",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {}}, "description": "a row a member and tag; can be imported"}},
    )
    async def export(channel: str, principal: reader) -> StreamingResponse:
        """Give out an account's members with tags as CSV."""
        seen(channel, principal)
        headers = {"content-disposition": f'attachment; filename="tags-{channel}.csv"'}
        return StreamingResponse(_csv(store.tagged(channel)), media_type=CSV_TYPE, headers=headers)

    return router


async def _csv_body(request: Request) -> bytes:
    """Return a body of CSV.

    Raises:
        Problem: 415 for another media type, 413 where it is too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise Problem("unsupported-media-type", "send the file as text/csv")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Problem("too-large", f"a file has at most {MOST_BYTES} bytes: cut it into several")
    return bytes(body)


async def _csv(members: AsyncIterator[Tagged]) -> AsyncIterator[bytes]:
    yield (BOM + csv_lines([HEADER])).encode()
    async for member in members:
        about = (member.id, next(iter(member.contacts), None), member.customer_key)
        rows = [(*about, tag.name, tag.origin, tag.since, tag.expires_at) for tag in member.tags]
        yield csv_lines(rows).encode()
