"""What users sent, for staff: streamed from where it is kept, never from LINE."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, StreamingResponse

from services.ticketing.content.files import Files
from services.ticketing.content.model import ERASED, KEPT, WANTED, Piece, may_be_shown
from services.ticketing.content.store import PieceStore
from shared.auth import AdminKeys, Principal, allowed
from shared.problems import Problem

RETRY_SECONDS = 3
_NOT_KEPT = {
    "gone": "LINE had already deleted it when it was fetched",
    "too_large": "it is larger than what this desk keeps",
    "failed": "it could not be fetched from LINE within a day",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}, "description": "The content, with its own type."},
    202: {"description": "It is being fetched: ask again after Retry-After seconds."},
    410: {"description": "Its sender took it back, or was erased."},
}


def content_routes(pieces: PieceStore, files: Files, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/content`."""
    router = APIRouter(prefix="/v1/content", tags=["content"])
    reader = Annotated[Principal, Depends(allowed(keys, "conversations.read"))]

    @router.get("/{channel}/{message_id}", response_class=Response, responses=_ANSWERS)
    async def get_content(channel: str, message_id: str, principal: reader) -> Response:
        """Show a photo, or save a video, a sound or a file that a user sent."""
        piece = await pieces.get(channel, message_id) if principal.sees(channel) else None
        if piece is None:
            raise Problem("not-found", "this message has no content that is kept here")
        if piece.state == ERASED:
            raise Problem("gone", "its sender took it back")
        if piece.state == WANTED:
            return JSONResponse({"state": "preparing"}, 202, {"retry-after": str(RETRY_SECONDS)})
        if piece.state != KEPT or piece.blob is None:
            raise Problem("not-found", _NOT_KEPT.get(piece.state, ""))
        return StreamingResponse(await _opened(files, piece.blob), headers=_headers(piece))

    return router


async def _opened(files: Files, blob: str) -> AsyncIterator[bytes]:
    """Return the bytes from the first on, so that what is missing is told before an answer begins.

    Raises:
        Problem: 410: erased since the piece was read.
    """
    reading = files.reading(blob)
    try:
        first = await anext(reading, b"")
    except FileNotFoundError:
        raise Problem("gone", "its sender took it back") from None

    async def stream() -> AsyncIterator[bytes]:
        yield first
        async for more in reading:
            yield more

    return stream()


def _headers(piece: Piece) -> dict[str, str]:
    kind = piece.media_type or ""
    headers = {
        "content-type": kind,
        "content-length": str(piece.size),
        "etag": f'"{piece.sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    if not may_be_shown(kind):
        name = quote(piece.file_name or piece.message_id, safe="")
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{name}"
    return headers
