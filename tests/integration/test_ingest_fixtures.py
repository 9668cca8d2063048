"""Every webhook that LINE documents, from HTTP to the topic, byte for byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from shared.broker import read_to_end, reading
from shared.consumer import Record
from shared.ids import ulid
from shared.line_events import Envelope, read_line_event
from shared.testing.processes import ServiceProcess, running
from shared.testing.webhooks import SECRET, account, signed_headers, write_files
from shared.topics import LINE_EVENTS

pytestmark = pytest.mark.integration

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures/line").glob("*.json"))


class _Body(msgspec.Struct):
    destination: str
    events: list[msgspec.Raw]


@pytest.fixture
def slug() -> str:
    """Return an account of this test's own on the shared topic."""
    return ulid().lower()


@pytest.fixture
async def ingest(kafka_url: str, slug: str, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    files = write_files(tmp_path, [account(slug, channel_secret=SECRET)])
    environment = {"KAFKA_URL": kafka_url, **files.environment()}
    async with running("services.ingest", environment, tmp_path / "ingest.log") as process:
        await process.ready()
        yield process


async def records_of(kafka_url: str, slug: str) -> list[Record]:
    """Return every record of an account."""
    async with reading(kafka_url, LINE_EVENTS) as consumer:
        prefix = f"{slug}:".encode()
        return [record async for record in read_to_end(consumer) if (record.key or b"").startswith(prefix)]


async def test_each_fixture_reaches_the_topic_untouched(ingest: ServiceProcess, kafka_url: str, slug: str) -> None:
    sent: dict[bytes, int] = {}
    async with aiohttp.ClientSession() as session:
        for path in FIXTURES:
            body = path.read_bytes()
            for event in msgspec.json.decode(body, type=_Body).events:
                assert bytes(event) in body
                sent[bytes(event)] = sent.get(bytes(event), 0) + 1
            url = f"{ingest.url}/webhook/{slug}"
            async with session.post(url, data=body, headers=signed_headers(body)) as answer:
                assert (path.name, answer.status) == (path.name, 200)

    records = await records_of(kafka_url, slug)
    arrived: dict[bytes, int] = {}
    for record in records:
        envelope = msgspec.json.decode(record.value or b"", type=Envelope)
        assert envelope.channel == slug
        arrived[bytes(envelope.event)] = arrived.get(bytes(envelope.event), 0) + 1
    assert arrived == sent
    for record in records:
        read = read_line_event(record.value or b"")
        headers = dict(record.headers)
        assert (headers["event-type"], headers["event-id"]) == (read.type.encode(), read.id.encode())
        assert headers["mode"] == read.mode.encode()
        assert headers["redelivery"] == (b"1" if read.redelivered else b"0")
        assert record.key == (read.contact or f"{slug}:bot").encode()
        json.loads(record.value or b"")
