"""Content that users sent (REF "Getting content")."""

from __future__ import annotations

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, line_route
from simulator.line.errors import LineError, not_found
from simulator.world.content import Content


def _content(call: Call) -> Content:
    """Return the content of the path's message.

    Raises:
        LineError: 404 for none, 410 where the user took the message back.
    """
    content = call.world.content.get(call.path["message_id"], call.account.slug)
    if content is None:
        raise not_found("not found")
    if content.unsent:
        raise LineError(410, "The content is gone")
    return content


def download(call: Call) -> Answer:
    """LINE: 202 without a body while large video or audio is being prepared."""
    content = _content(call)
    if not call.world.content.is_ready(content):
        return Answer(b"", 202)
    return Answer(content.data, media_type=content.media_type)


def preview(call: Call) -> Answer:
    """LINE: images and videos only. The stand-in's preview is the image itself."""
    content = _content(call)
    if content.kind not in ("image", "video"):
        raise LineError(400, "The content can not be previewed")
    if not call.world.content.is_ready(content):
        return Answer(b"", 202)
    return Answer(content.data, media_type=content.media_type)


def transcoding(call: Call) -> Answer:
    """LINE: video and audio only."""
    content = _content(call)
    if content.kind not in ("video", "audio"):
        raise LineError(400, "Transcoding status doesn't support this type of content")
    return Answer({"status": "succeeded" if call.world.content.is_ready(content) else "processing"})


_PATH = "/v2/bot/message/{message_id}/content"

ROUTES: list[BaseRoute] = [
    line_route(f"{_PATH}/transcoding", transcoding, "content_status", "GET"),
    line_route(f"{_PATH}/preview", preview, "content_preview", "GET"),
    line_route(_PATH, download, "content", "GET"),
]
