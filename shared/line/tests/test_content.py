"""User content: streamed, bounded, every ending told."""

from __future__ import annotations

from typing import Any

import pytest

from shared.line.client import LineClient
from shared.line.content import DOWNLOAD, Downloaded, Missing, Preparing, TooLarge, Unsent
from shared.line.outcomes import RateLimited, Unauthorised, Unknown
from shared.line.transport import Patience


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, piece: bytes) -> None:
        self.pieces.append(piece)


async def test_content_is_streamed_in_pieces(line: LineClient, fake_line: Any, reply: Any) -> None:
    photo = bytes(range(256)) * 1024
    fake_line.answers(reply(200, photo, content_type="image/jpeg"))
    sink = Collected()
    outcome = await line.content.fetch("north", "612", sink, most_bytes=len(photo))
    assert outcome == Downloaded("image/jpeg", len(photo))
    assert b"".join(sink.pieces) == photo
    assert max(map(len, sink.pieces)) <= 64 * 1024
    assert fake_line.got[0].path == "/v2/bot/message/612/content"


async def test_the_preview_has_its_own_address(line: LineClient, fake_line: Any) -> None:
    await line.content.fetch("north", "612", Collected(), most_bytes=10, preview=True)
    assert fake_line.got[0].path == "/v2/bot/message/612/content/preview"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b"", Preparing()),
        (404, {"message": "Not found"}, Missing()),
        (410, {"message": "Gone"}, Unsent()),
        (401, {"message": "invalid token"}, Unauthorised("req-1")),
        (429, {"message": "The API rate limit has been exceeded."}, RateLimited("req-1")),
        (500, b"", Unknown("server_error", may_have_been_accepted=False, request_id="req-1")),
    ],
)
async def test_content_that_is_not_there(
    line: LineClient, fake_line: Any, reply: Any, status: int, body: Any, expected: Any
) -> None:
    fake_line.answers(reply(status, body))
    sink = Collected()
    assert await line.content.fetch("north", "612", sink, most_bytes=100) == expected
    assert sink.pieces == []


async def test_more_than_allowed_is_not_taken(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, b"x" * 1000))
    sink = Collected()
    assert await line.content.fetch("north", "612", sink, most_bytes=999) == TooLarge()
    assert sum(map(len, sink.pieces)) <= 999


async def test_content_that_breaks_off_is_unknown(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, b"x" * 1000, kind="cut"))
    outcome = await line.content.fetch("north", "612", Collected(), most_bytes=5000)
    assert outcome == Unknown("connection_lost", may_have_been_accepted=False)


async def test_silence_ends_a_download(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(kind="hang"))
    quick = Patience(attempts=1, within=2, attempt=0.1)
    outcome = await line.content.fetch("north", "612", Collected(), most_bytes=5000, patience=quick)
    assert isinstance(outcome, Unknown)
    assert DOWNLOAD.within >= 60


async def test_trouble_of_the_sink_is_the_callers(line: LineClient, fake_line: Any, reply: Any) -> None:
    async def full(piece: bytes) -> None:
        raise OSError("disk full")

    fake_line.answers(reply(200, b"x"))
    with pytest.raises(OSError, match="disk full"):
        await line.content.fetch("north", "612", full, most_bytes=5000)
