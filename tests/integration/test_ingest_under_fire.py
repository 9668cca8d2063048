"""A real ingest and clients that mean harm: each gets a refusal, nobody else notices, nothing is published."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from shared.broker import read_to_end, reading
from shared.ids import ulid
from shared.testing.processes import ServiceProcess
from shared.testing.webhooks import DESTINATION, account, event, sign, signed_headers, webhook, write_files
from shared.topics import LINE_EVENTS

pytestmark = pytest.mark.integration

SLUG = ulid().lower()
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def ingest(kafka_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One process for all attacks: it has to stand them one after the other."""
    folder = tmp_path_factory.mktemp("fire")
    files = write_files(folder, [account(SLUG)])
    process = ServiceProcess("services.ingest", {"KAFKA_URL": kafka_url, **files.environment()}, folder / "ingest.log")
    process.start()
    try:
        asyncio.run(process.ready())
        yield process
        assert not process.ended
        assert "Traceback" not in process.log
    finally:
        process.end()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(row for row in status.splitlines() if row.startswith("VmRSS")).split()[1])


def head(body: bytes = b"", /, path: str = f"/webhook/{SLUG}", method: str = "POST", **more: str) -> bytes:
    """Return a signed webhook's head; `more` are headers, their names with _ for -."""
    lines = [f"{method} {path} HTTP/1.1", "host: ingest", "content-type: application/json"]
    lines += [
        f"x-line-signature: {sign(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in more.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def ask(ingest: ServiceProcess, sent: bytes, drip: bytes = b"", pause: float = 0.0) -> bytes:
    """Send bytes as they are, go on dripping, and return what came until the server closed."""
    where = urlsplit(ingest.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)

    async def go_on() -> None:
        while drip:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(pause)

    writer.write(sent)
    dripping = asyncio.create_task(go_on())
    heard = b""
    try:
        async with asyncio.timeout(20):
            while piece := await reader.read(65536):
                heard += piece
    except ConnectionError:
        pass
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()
    return heard


def statuses(heard: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


async def good(ingest: ServiceProcess, session: aiohttp.ClientSession) -> tuple[str, float]:
    """Deliver a webhook; return its event's id and how long the 200 took."""
    one = event()
    body = webhook(one)
    started = time.monotonic()
    async with session.post(f"{ingest.url}/webhook/{SLUG}", data=body, headers=signed_headers(body)) as answer:
        assert answer.status == 200
    return one["webhookEventId"], time.monotonic() - started


async def published(kafka_url: str) -> list[str]:
    async with reading(kafka_url, LINE_EVENTS) as consumer:
        values = [r.value async for r in read_to_end(consumer) if (r.key or b"").startswith(f"{SLUG}:".encode())]
    # A number of a million digits is JSON: it passes untouched, and Python's own reader refuses it.
    return [json.loads(value)["event"]["webhookEventId"] for value in values if value and len(value) < 100_000]


async def meanwhile(
    attack: Awaitable[bytes], ingest: ServiceProcess, session: aiohttp.ClientSession
) -> tuple[bytes, float]:
    """Deliver webhooks while an attack lasts; return what the attacker heard, and the slowest answer."""
    attacking = asyncio.ensure_future(attack)
    slowest = 0.0
    while not attacking.done():
        slowest = max(slowest, (await good(ingest, session))[1])
        await asyncio.sleep(0.1)
    return await attacking, slowest


async def test_an_endless_body_is_413_before_it_is_held(ingest: ServiceProcess, session: aiohttp.ClientSession) -> None:
    await good(ingest, session)
    before = resident_kib(ingest.pid)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    attacks = [ask(ingest, head(transfer_encoding="chunked"), chunk) for _ in range(20)]

    heard = await asyncio.gather(*attacks)

    assert all(each == b"" or statuses(each) == [413] for each in heard)
    assert any(heard)
    assert resident_kib(ingest.pid) - before < 48 * 1024


async def test_a_body_of_a_byte_a_second_is_408_and_cut(ingest: ServiceProcess, session: aiohttp.ClientSession) -> None:
    started = time.monotonic()

    heard, slowest = await meanwhile(ask(ingest, head(content_length="100"), b"x", 1.0), ingest, session)

    assert statuses(heard) == [408]
    assert time.monotonic() - started < 6
    assert slowest < 1.5


async def test_slow_and_silent_heads_are_cut(ingest: ServiceProcess, session: aiohttp.ClientSession) -> None:
    async def attack() -> bytes:
        slow = [ask(ingest, b"POST /webhook HTTP/1.1\r\n", b"a: b\r\n", 0.5) for _ in range(50)]
        return b"".join(await asyncio.gather(*slow, ask(ingest, b"")))

    heard, slowest = await meanwhile(attack(), ingest, session)

    assert set(statuses(heard)) == {408}
    assert slowest < 1.5


BODY = webhook(event())
LENGTH = str(len(BODY))
SMUGGLED = head(b"", path="/r/x", method="GET")
HEADS = {
    "length and chunked": (head(BODY, content_length=LENGTH, transfer_encoding="chunked") + BODY, {400}),
    "two lengths": (head(BODY, content_length=LENGTH, Content_Length="3") + BODY, {400}),
    "a length that is none": (head(BODY, content_length="-1") + BODY, {400}),
    "a length in plus": (head(BODY, content_length="+5") + BODY, {400}),
    "chunked twice": (head(BODY, transfer_encoding="chunked, chunked") + b"0\r\n\r\n", {400, 401}),
    "chunked, not last": (head(BODY, transfer_encoding="chunked, identity") + b"0\r\n\r\n", {400}),
    "a space before the colon": (head(BODY, **{"content_length ": LENGTH}) + BODY, {400}),
    "a bad chunk size": (head(BODY, transfer_encoding="chunked") + b"zz\r\n", {400, 0}),
    "a huge chunk size": (head(BODY, transfer_encoding="chunked") + b"f" * 17 + b"\r\n", {400, 0}),
    "a bare carriage return": (b"POST /webhook/x HTTP/1.1\rhost: x\r\r", {400}),
    "a folded header": (head(BODY)[:-2] + b"a: b\r\n c\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /\r\nconnection: close\r\n\r\n", {400, 404}),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\n\r\n", {400}),
    "TLS on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, {400}),
    "noise": (b"\x00\xff\xfe" * 100 + b"\r\n\r\n", {400}),
    "a NUL in a header": (b"GET / HTTP/1.1\r\na: \x00\r\n\r\n", {400}),
    "HTTP/2 with prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "a tunnel": (b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", {400, 404, 405}),
    "a huge method": (b"A" * 70_000, {400}),
}


@pytest.mark.parametrize("name", HEADS)
async def test_no_trick_of_the_head_gets_through(ingest: ServiceProcess, name: str) -> None:
    sent, allowed = HEADS[name]

    heard = statuses(await ask(ingest, sent)) or [0]

    assert len(heard) == 1
    assert heard[0] in allowed


CLOSE = {"connection": "close"}
PATHS = {
    f"//webhook/{SLUG}": 404,
    f"/webhook//{SLUG}": 404,
    f"/webhook/{SLUG}/": 404,
    f"/webhook/{SLUG}%00": 404,
    f"/webhook/{SLUG}%2f..%2f": 404,
    f"/webhook/%2e%2e/{SLUG}": 404,
    f"/WEBHOOK/{SLUG}": 404,
    "/webhook/%ff%fe": 404,
    "/webhook/" + "a" * 8000: 404,
    "/webhook/%E2%80%AE": 404,
    "/callback/%00": 404,
    "/callback/%ff": 404,
    "/callback/../callback/x": 404,
    f"http://elsewhere.example/webhook/{SLUG}x": 404,
    "*": 404,
    "/r/%00": 405,
    "/s/%2e%2e%2f": 404,
    "/liff/source": 400,
    "/docs": 404,
    "/metrics": 404,
    "/health/ready": 404,
}


@pytest.mark.parametrize("path", PATHS, ids=range(len(PATHS)))
async def test_no_trick_of_the_path_gets_through(ingest: ServiceProcess, path: str) -> None:
    status = statuses(await ask(ingest, head(BODY, path=path, content_length=LENGTH, **CLOSE) + BODY))

    assert status == [PATHS[path]]


@pytest.mark.parametrize("path", ["/r/%00", "/r/%ff", "/r/a%2fb", "/s/%2e%2e", "/s/%F0%9F%98%80", "/s/..", "/r/\xff"])
async def test_odd_links_are_nowhere(ingest: ServiceProcess, path: str) -> None:
    assert statuses(await ask(ingest, head(path=path, method="GET", **CLOSE)))[0] in {400, 404}


@pytest.mark.parametrize(
    "signature",
    ["", "x", "é", "\xff" * 44, "=" * 44, sign(BODY)[:-1], sign(BODY) + "=", f" {sign(BODY)} x", "A" * 4000],
)
async def test_what_is_no_signature_is_401(ingest: ServiceProcess, signature: str) -> None:
    sent = head(BODY, content_length=LENGTH, **CLOSE).replace(sign(BODY).encode(), signature.encode("latin-1"))

    assert statuses(await ask(ingest, sent + BODY)) == [401]


async def test_a_doubled_or_missing_signature_is_401(ingest: ServiceProcess) -> None:
    twice = head(BODY, content_length=LENGTH, X_Line_Signature=sign(BODY), **CLOSE)
    without = b"\r\n".join(row for row in twice.split(b"\r\n") if b"ignature" not in row)

    assert statuses(await ask(ingest, twice + BODY)) == [401]
    assert statuses(await ask(ingest, without + BODY)) == [401]


DEEP = 100_000
BODIES = {
    "nothing": (b"", 400),
    "no UTF-8": (BODY[:-1] + b"\xff}", 400),
    "cut off": (BODY[:-5], 400),
    "deep lists": (b'{"destination":"' + DESTINATION.encode() + b'","events":' + b"[" * DEEP + b"]" * DEEP + b"}", 400),
    "deep objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400),
    "deep in an event": (webhook(event()).replace(b'"active"', b"[" * DEEP + b"]" * DEEP), 400),
    "no events": (webhook(), 200),
    "events: null": (b'{"destination":"' + DESTINATION.encode() + b'","events":null}', 400),
    "events: object": (b'{"destination":"' + DESTINATION.encode() + b'","events":{}}', 400),
    "events: text": (b'{"destination":"' + DESTINATION.encode() + b'","events":"[]"}', 400),
    "events of numbers": (b'{"destination":"' + DESTINATION.encode() + b'","events":[1,null,"x"]}', 400),
    "another destination": (webhook(event(), destination="U" + "0" * 32), 400),
    "an operator for a destination": (b'{"destination":{"$ne":null},"events":[]}', 400),
    "a number of a million digits": (BODY.replace(b'"active"', b"9" * 1_000_000), 200),
    "a bare list": (b"[]", 400),
    "two values": (BODY + BODY, 400),
    "a comment": (b"/* */" + BODY, 400),
    "NaN": (BODY.replace(b'"active"', b"NaN"), 400),
}


@pytest.mark.parametrize("name", BODIES)
async def test_odd_signed_bodies(ingest: ServiceProcess, session: aiohttp.ClientSession, name: str) -> None:
    body, status = BODIES[name]

    async with session.post(f"{ingest.url}/webhook/{SLUG}", data=body, headers=signed_headers(body)) as answer:
        assert answer.status == status


async def test_upgrades_and_pipelines_are_plain_requests(ingest: ServiceProcess) -> None:
    bodiless = b"GET /r/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: %b\r\n\r\n"
    for protocol in (b"websocket", b"h2c"):
        assert statuses(await ask(ingest, bodiless % protocol))[0] in {400, 404}

    piped = head(path="/r/x", method="GET") * 30 + head(path="/r/x", method="GET", **CLOSE)
    assert statuses(await ask(ingest, piped)) == [404] * 31


async def test_a_body_that_was_asked_for_first_comes_after_100(ingest: ServiceProcess) -> None:
    refused = await ask(ingest, head(content_length=str(2 * MIB), expect="100-continue", **CLOSE))
    assert statuses(refused) == [413]
    unsigned = head(b"x", content_length=LENGTH, expect="100-continue", **CLOSE)
    assert statuses(await ask(ingest, unsigned + BODY)) == [100, 401]


async def test_five_thousand_idle_connections_hold_up_nobody(
    ingest: ServiceProcess, session: aiohttp.ClientSession
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 20_000 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(limit, 8192)), hard))
    wanted = min(5000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)
    where = urlsplit(ingest.url)
    await good(ingest, session)
    before = resident_kib(ingest.pid)
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        for _ in range(wanted // 250):
            opened = [asyncio.open_connection(where.hostname, where.port) for _ in range(250)]
            held += await asyncio.gather(*opened)
        times = [(await good(ingest, session))[1] for _ in range(20)]
        each = (resident_kib(ingest.pid) - before) * 1024 / wanted
        print(f"{wanted} idle: {each:.0f} bytes each, answers {min(times) * 1000:.1f} to {max(times) * 1000:.1f} ms")  # noqa: T201
        assert max(times) < 1.5
        assert each < 16 * 1024
        async with asyncio.timeout(30):
            ends = await asyncio.gather(*(reader.read() for reader, _ in held), return_exceptions=True)
        assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)
    finally:
        for _, writer in held:
            writer.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await good(ingest, session)


async def test_nothing_of_it_was_published(
    ingest: ServiceProcess, kafka_url: str, session: aiohttp.ClientSession
) -> None:
    """Runs last: of all that was sent in this module only the good webhooks are on the topic."""
    last, _ = await good(ingest, session)

    found = await published(kafka_url)

    assert last in found
    assert json.loads(BODY)["events"][0]["webhookEventId"] not in found
    async with session.get(f"{ingest.ops_url}/metrics") as answer:
        assert 'status="500"' not in await answer.text()
