"""Routes for staff: segments, and whom an expression finds (features F28)."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from services.broadcast.people.store import PeopleStore, TooSlow
from services.broadcast.segments.model import Expression, Segment, references
from services.broadcast.segments.preview import Preview, preview
from services.broadcast.segments.reading import BadExpression, read_expression
from services.broadcast.segments.resolving import Audiences
from services.broadcast.segments.store import SegmentStore
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.preconditions import Expected, Idempotency, body_digest, check_version, etag, same_request
from shared.problems import Problem

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]


class ExpressionBody(BaseModel):
    """Whom to look for, in which account."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    expression: dict[str, Any]


class NewSegment(ExpressionBody):
    """A segment to make."""

    name: Name


class SegmentEdit(BaseModel):
    """What a segment becomes."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    expression: dict[str, Any]


class SegmentView(BaseModel):
    """A segment as staff see it."""

    id: str
    channel: str
    name: str
    expression: dict[str, Any]
    version: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str


class SegmentPage(BaseModel):
    """A page of segments."""

    items: list[SegmentView]
    next_cursor: str | None


class Someone(BaseModel):
    """One of those who match."""

    member: str
    contact: str
    reachable: bool


class PreviewView(BaseModel):
    """Whom an expression finds: how many, how many of them are friends now, and the first few."""

    count: int
    reachable: int
    sample: list[Someone]
    as_of: datetime


def _view(segment: Segment) -> SegmentView:
    return SegmentView(
        id=segment.id,
        channel=segment.channel,
        name=segment.name,
        expression=dict(segment.written),
        version=segment.version,
        created_at=segment.created_at,
        created_by=segment.created_by,
        updated_at=segment.updated_at,
        updated_by=segment.updated_by,
    )


def _preview_view(found: Preview) -> PreviewView:
    sample = [Someone(member=one.member, contact=one.contact, reachable=one.reachable) for one in found.sample]
    return PreviewView(count=found.count, reachable=found.reachable, sample=sample, as_of=found.as_of)


def segment_routes(
    store: SegmentStore, people: PeopleStore, channels: Channels, audit: Audit, keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes of `/v1/segments`."""
    router = APIRouter(prefix="/v1/segments", tags=["segments"])
    reader = Annotated[Principal, Depends(allowed(keys, "segments.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "segments.write"))]
    audiences = Audiences(store)

    def account(channel: str, principal: Principal) -> str:
        if channels.get(channel) is None or not principal.sees(channel):
            raise Problem("not-found", "no such channel")
        return channel

    async def visible(segment_id: str, principal: Principal) -> Segment:
        segment = await store.get(segment_id)
        if segment is None or not principal.sees(segment.channel):
            raise Problem("not-found", "no such segment")
        return segment

    async def resolved(channel: str, written: dict[str, Any], segment_id: str | None = None) -> Expression:
        try:
            return await audiences.resolve(channel, written, segment_id=segment_id)
        except BadExpression as error:
            raise Problem("invalid", errors=error.errors) from None

    async def look(channel: str, written: dict[str, Any]) -> PreviewView:
        try:
            return _preview_view(await preview(people, channel, await resolved(channel, written), now()))
        except TooSlow:
            detail = "counting these people takes too long: ask for fewer conditions, or again when less is going on"
            raise Problem("too-slow", detail) from None

    @router.post("", status_code=201)
    async def create_segment(body: NewSegment, principal: writer, key: Idempotency, response: Response) -> SegmentView:
        """Make a segment. The same Idempotency-Key again returns the one it made."""
        channel = account(body.channel, principal)
        digest = body_digest(body.model_dump())
        segment_id = key.object_id("seg", principal, channel)
        segment = await store.get(segment_id)
        if segment is None:
            await resolved(channel, body.expression, segment_id)
            at, by = now(), principal.id
            segment = Segment(segment_id, channel, body.name, body.expression, at, by, at, by, request=digest)
            await audit.note(by, "segments.create", segment_id)
            if not await store.add(segment, references(read_expression(body.expression, channel))):
                segment = await visible(segment_id, principal)
        same_request(segment.request, digest)
        response.headers["etag"] = etag(segment.version)
        response.headers["location"] = f"/v1/segments/{segment.id}"
        return _view(segment)

    @router.get("")
    async def list_segments(
        principal: reader, channel: str | None = None, cursor: str | None = None, limit: Limit = 50
    ) -> SegmentPage:
        """List segments by id."""
        if channel is not None:
            account(channel, principal)
        after = decode_cursor(cursor, 1)
        shown = [channel] if channel else None if principal.sees("*") else sorted(principal.channels)
        found = await store.page(shown, str(after[0]) if after else None, limit + 1)
        more = encode_cursor([found[limit - 1].id]) if len(found) > limit else None
        return SegmentPage(items=[_view(segment) for segment in found[:limit]], next_cursor=more)

    @router.post("/preview")
    async def preview_expression(body: ExpressionBody, principal: reader) -> PreviewView:
        """Count the people an expression finds and show the first few."""
        return await look(account(body.channel, principal), body.expression)

    @router.get("/{segment_id}")
    async def get_segment(segment_id: str, principal: reader, response: Response) -> SegmentView:
        """Show a segment; the ETag is its version."""
        segment = await visible(segment_id, principal)
        response.headers["etag"] = etag(segment.version)
        return _view(segment)

    @router.get("/{segment_id}/preview")
    async def preview_segment(segment_id: str, principal: reader) -> PreviewView:
        """Count the people a segment finds now and show the first few."""
        segment = await visible(segment_id, principal)
        return await look(segment.channel, dict(segment.written))

    @router.put("/{segment_id}")
    async def edit_segment(
        segment_id: str, body: SegmentEdit, principal: writer, expected: Expected, response: Response
    ) -> SegmentView:
        """Change a segment, where it still is what was read. What was started with it stays as it was."""
        segment = await visible(segment_id, principal)
        check_version(expected, segment.version)
        await resolved(segment.channel, body.expression, segment_id)
        edited = replace(
            segment,
            name=body.name,
            written=body.expression,
            updated_at=now(),
            updated_by=principal.id,
            version=segment.version + 1,
        )
        await audit.note(principal.id, "segments.edit", segment_id)
        if not await store.save(edited, references(read_expression(body.expression, segment.channel))):
            check_version(expected, (await visible(segment_id, principal)).version)
        response.headers["etag"] = etag(edited.version)
        return _view(edited)

    @router.delete("/{segment_id}", status_code=204)
    async def delete_segment(segment_id: str, principal: writer) -> None:
        """Delete a segment that no other one names."""
        segment = await visible(segment_id, principal)
        if names := await store.that_name(segment.id):
            raise Problem("conflict", f"other segments name it: {', '.join(names)}")
        await audit.note(principal.id, "segments.delete", segment_id)
        await store.delete(segment.id)

    return router
