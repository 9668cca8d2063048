"""Connections that send too slowly, too much or nothing are ended; the others notice nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from shared import connections
from shared.http import _listen, _server
from shared.testing.waiting import eventually

Address = tuple[str, int]


async def echo(request: Request) -> PlainTextResponse:
    """Read the body only where there should be one."""
    return PlainTextResponse(str(len(await request.body())) if request.method == "POST" else "hello")


@pytest.fixture
async def address(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Address]:
    """A server with little patience and room for eight."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.4)
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.8)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)
    server = _server(Starlette(routes=[Route("/", echo, methods=["GET", "POST"])]))
    listening = _listen("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()
    server.should_exit = True
    await serving


async def said(address: Address, sent: bytes, drip: bytes = b"", pause: float = 0.05) -> bytes:
    """Send something, then go on dripping, and return what came until the server closed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)

    async def go_on() -> None:
        while drip:
            writer.write(drip)
            await asyncio.sleep(pause)

    dripping = asyncio.create_task(go_on())
    heard = b""
    try:
        async with asyncio.timeout(10):
            while piece := await reader.read(65536):
                heard += piece
    except ConnectionError:
        return heard
    finally:
        dripping.cancel()
        writer.close()
    return heard


@pytest.mark.parametrize(
    ("sent", "drip", "answer"),
    [
        (b"", b"", b""),
        (b"", b"\r\n", b""),
        (b"GET / HT", b"", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: ", b"b", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n", b"x", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"HTTP/1.1 200"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\r\n", b"HTTP/1.1 200"),
    ],
    ids=[
        "silence",
        "empty lines",
        "half a line",
        "headers",
        "a header",
        "a body",
        "an unasked body",
        "after an answer",
    ],
)
async def test_what_drips_is_closed(address: Address, sent: bytes, drip: bytes, answer: bytes) -> None:
    heard = await said(address, sent, drip)

    # Who sends on after the end is reset, and may not hear the refusal.
    refused = not answer.endswith(b"200")
    assert heard.startswith(answer) or (drip and refused and not heard)
    assert heard.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"GET / HTTP/1.1\r\na: ", b"x" * 8192),
        (b"GET /", b"x" * 8192),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", b""),
        (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 1000),
    ],
    ids=["one header", "the address", "a hundred and one", "headers without end"],
)
async def test_a_head_too_large_is_431(address: Address, sent: bytes, drip: bytes) -> None:
    heard = await said(address, sent, drip, pause=0.001)

    assert heard.startswith(b"HTTP/1.1 431") or (drip and not heard)


async def test_ninety_nine_headers_and_a_body_in_pieces_pass(address: Address) -> None:
    head = b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 4\r\n" + b"a: b\r\n" * 97 + b"\r\n"

    assert (await said(address, head, b"x", pause=0.1)).endswith(b"\r\n\r\n4")


async def test_one_more_than_there_is_room_for_is_cut(address: Address) -> None:
    held = [await asyncio.open_connection(*address) for _ in range(8)]

    assert await said(address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == b""

    for _, writer in held:
        writer.close()
    ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    async def served() -> bool:
        return (await said(address, ask)).endswith(b"hello")

    await eventually(served)
