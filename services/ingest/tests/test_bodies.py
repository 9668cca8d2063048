"""Bodies that are too large, too slow or too many are refused before they are held."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import pytest

from services.ingest.app import create_app
from services.ingest.bodies import MAX_BODY, Bodies
from services.ingest.settings import IngestSettings
from services.ingest.tests.conftest import Ingest
from shared.testing.webhooks import event, sign, signed_headers, webhook

HEADERS = [(b"content-type", b"application/json"), (b"x-line-signature", b"x")]
MIB = 1024 * 1024


class Stream:
    """A body of `chunks` equal chunks, counted as they are taken."""

    def __init__(self, chunk: bytes, chunks: int, pause: float = 0.0) -> None:
        self._chunk, self._chunks, self._pause = chunk, chunks, pause
        self.taken = 0

    async def __call__(self) -> dict[str, Any]:
        await asyncio.sleep(self._pause)
        self.taken += 1
        return {"type": "http.request", "body": self._chunk, "more_body": self.taken < self._chunks}


def padded(size: int) -> bytes:
    """Return a webhook of exactly this many bytes."""
    empty = len(webhook(event(text="")))
    return webhook(event(text="x" * (size - empty)))


async def test_a_body_at_the_cap_passes_and_one_byte_more_does_not(ingest: Ingest) -> None:
    for body, status in ((padded(MAX_BODY), 200), (padded(MAX_BODY + 1), 413)):
        answer = await ingest.client.post("/webhook/coffee", content=body, headers=signed_headers(body))
        assert answer.status_code == status


async def test_a_declared_length_over_the_cap_is_refused_unread(ingest: Ingest) -> None:
    stream = Stream(b"x" * 65536, 1)

    for declared in (str(MAX_BODY + 1).encode(), b"9" * 5000):
        answer = await ingest.call("/webhook/coffee", [*HEADERS, (b"content-length", declared)], stream)
        assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert stream.taken == 0


@pytest.mark.parametrize("path", ["/webhook/coffee", "/callback/shop"])
async def test_a_stream_of_100_mb_is_refused_at_the_cap_with_flat_memory(ingest: Ingest, path: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stream = Stream(b"x" * 65536, 1600)

    answer = await ingest.call(path, HEADERS, stream)

    assert answer.status == 413
    assert stream.taken == MAX_BODY // 65536 + 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


async def test_a_dripping_body_is_408(ingest: Ingest) -> None:
    answer = await ingest.call("/webhook/coffee", HEADERS, Stream(b"x", 10_000, pause=0.02))

    assert (answer.status, answer.headers["connection"]) == (408, "close")


async def test_a_client_that_leaves_is_no_error(ingest: Ingest) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert (await ingest.call("/webhook/coffee", HEADERS, receive)).status == 0
    assert 'status="499"' in ingest.metrics()


async def test_a_body_in_pieces_is_put_together(ingest: Ingest) -> None:
    body = webhook(event())
    pieces = iter([body[:10], b"", body[10:11], body[11:]])

    async def receive() -> dict[str, Any]:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": not body.endswith(piece) or not piece}

    headers = [(b"content-type", b"application/json"), (b"x-line-signature", sign(body).encode())]
    assert (await ingest.call("/webhook/coffee", headers, receive)).status == 200


@pytest.mark.parametrize(
    ("bodies", "chunk"),
    [(Bodies(max_bodies=8, seconds=5), b"x"), (Bodies(max_bytes=8 * 65536, seconds=5), b"x" * 65536)],
    ids=["count", "bytes"],
)
async def test_only_so_much_is_held_at_once_and_room_comes_back(
    settings: IngestSettings, ingest: Ingest, bodies: Bodies, chunk: bytes
) -> None:
    ingest.app = create_app(settings, publisher=ingest.publisher, bodies=bodies)
    enough = asyncio.Event()
    held = [asyncio.create_task(ingest.call("/webhook/coffee", HEADERS, holding(chunk, enough))) for _ in range(8)]
    await asyncio.sleep(0)

    refused = await ingest.call("/webhook/coffee", HEADERS, holding(chunk, enough))
    enough.set()
    waited = await asyncio.gather(*held)

    assert refused.status == 503
    assert {answer.status for answer in waited} == {401}
    assert (await ingest.call("/webhook/coffee", HEADERS, holding(chunk, enough))).status == 401


def holding(chunk: bytes, enough: asyncio.Event) -> Callable[[], Any]:
    """Return a body whose last chunk comes only when it may."""
    first = True

    async def receive() -> dict[str, Any]:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": chunk, "more_body": True}
        await enough.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive
