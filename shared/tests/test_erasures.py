"""Erasures on the real broker: read to the end first, followed afterwards, and naming nobody (design §3)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from shared.channels import BadFile
from shared.consumer.records import Coordinates, Record
from shared.erasures import Erasures, load_erasure_key
from shared.events import encode
from shared.producer import Producer
from shared.producer import Record as Outgoing
from shared.testing.waiting import eventually
from shared.topics import ERASURES, LINE_EVENTS

AT = datetime(2026, 8, 1, 12, tzinfo=UTC)
KEY = secrets.token_bytes(32)
"""A key of this run's own: on a shared broker, others' erasures are nobody we know."""


def record(key: str | None, written_at: datetime) -> Record:
    place = Coordinates(LINE_EVENTS, 0, 0)
    return Record(place, key.encode() if key is not None else None, b"{}", (), written_at, place)


class TestTheKeyFile:
    def test_a_right_one_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "erasure.key"
        path.write_text(base64.b64encode(KEY).decode() + "\n")

        assert load_erasure_key(path) == KEY

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"no base64!", "one line of Base64"),
            (b"\xff\xfe", "one line of Base64"),
            ("ключ".encode(), "one line of Base64"),
            (base64.b64encode(bytes(31)), "at least 32 bytes"),
            (b"", "at least 32 bytes"),
        ],
    )
    def test_a_wrong_one_is_told_without_what_it_holds(self, tmp_path: Path, content: bytes, why: str) -> None:
        path = tmp_path / "erasure.key"
        path.write_bytes(content)

        with pytest.raises(BadFile, match=f"erasure.key: must hold {why}"):
            load_erasure_key(path)

    def test_an_absent_one_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadFile, match=r"erasure\.key"):
            load_erasure_key(tmp_path / "erasure.key")


def test_a_subject_names_nobody_without_the_key() -> None:
    one, other = Erasures("nowhere:1", KEY), Erasures("nowhere:1", bytes(32))

    assert one.subject("shop:U1") == one.subject("shop:U1")
    assert one.subject("shop:U1") != other.subject("shop:U1")
    assert one.subject("shop:U1") != one.subject("shop:U2")
    assert "U1" not in one.event("shop:U1", AT).model_dump_json()


@pytest.fixture
async def sender(kafka_url: str) -> AsyncIterator[Producer]:
    producer = Producer(kafka_url, "test", registry=CollectorRegistry())
    await producer.start()
    try:
        yield producer
    finally:
        await producer.close()


async def erase(sender: Producer, erasures: Erasures, identity: str, at: datetime = AT) -> None:
    event = erasures.event(identity, at)
    await sender.send_all([Outgoing(ERASURES, event.subject.encode(), encode(event))], timeout=10)


@contextlib.asynccontextmanager
async def read(kafka_url: str) -> AsyncIterator[Erasures]:
    erasures = Erasures(kafka_url, KEY)
    async with erasures.following():
        await asyncio.wait_for(erasures.until_read(), 30)
        yield erasures


@pytest.mark.integration
class TestOnTheBroker:
    async def test_what_is_there_is_known_before_anything_is_consumed(self, kafka_url: str, sender: Producer) -> None:
        await erase(sender, Erasures(kafka_url, KEY), "shop:U1")

        async with read(kafka_url) as erasures:
            assert erasures.erased_at("shop:U1") == AT
            assert erasures.erased_at("shop:U2") is None

    async def test_records_up_to_the_erasure_are_dropped_and_later_ones_are_not(
        self, kafka_url: str, sender: Producer
    ) -> None:
        await erase(sender, Erasures(kafka_url, KEY), "shop:U3")

        async with read(kafka_url) as erasures:
            assert erasures.concerns(record("shop:U3", AT - timedelta(days=20)))
            assert erasures.concerns(record("shop:U3", AT))
            assert not erasures.concerns(record("shop:U3", AT + timedelta(milliseconds=1)))
            assert not erasures.concerns(record("shop:U4", AT))
            assert not erasures.concerns(record(None, AT))

    async def test_a_later_erasure_is_heard_of_while_running_and_an_earlier_one_takes_nothing_back(
        self, kafka_url: str, sender: Producer
    ) -> None:
        async with read(kafka_url) as erasures:
            await erase(sender, erasures, "shop:U5")
            await eventually(lambda: erasures.erased_at("shop:U5") == AT)
            await erase(sender, erasures, "shop:U5", AT + timedelta(days=1))
            await eventually(lambda: erasures.erased_at("shop:U5") == AT + timedelta(days=1))
            await erase(sender, erasures, "shop:U5", AT)
            await erase(sender, erasures, "shop:U6")
            await eventually(lambda: erasures.erased_at("shop:U6"))
            assert erasures.erased_at("shop:U5") == AT + timedelta(days=1)

    async def test_what_cannot_be_read_hides_nothing_after_it(
        self, kafka_url: str, sender: Producer, caplog: pytest.LogCaptureFixture
    ) -> None:
        rubbish = [Outgoing(ERASURES, b"rubbish", b"\xff"), Outgoing(ERASURES, b"rubbish", None)]
        await sender.send_all(rubbish, timeout=10)
        await erase(sender, Erasures(kafka_url, KEY), "shop:U7")

        async with read(kafka_url) as erasures:
            assert erasures.erased_at("shop:U7") == AT
        assert "an erasure cannot be read" in caplog.text


async def test_while_kafka_is_away_nothing_counts_as_read() -> None:
    erasures = Erasures("127.0.0.1:1", KEY)

    async with erasures.following():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(erasures.until_read(), 0.3)
