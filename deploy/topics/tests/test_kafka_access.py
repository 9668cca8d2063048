"""Every client of Kafka goes the way the environment says: none speaks plainly where TLS is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError
from faststream.kafka.security import parse_security
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from deploy.local.lag import consumer_lag
from deploy.topics.job import apply_topics
from shared.broker import create_broker, kafka_problem, reading
from shared.kafka_access import kafka_servers, security
from shared.producer import Producer
from shared.settings import KafkaAccess

TLS_HANDSHAKE = 0x16
PASSWORD = "made-up"


@pytest.fixture
async def listener() -> AsyncIterator[tuple[str, list[int]]]:
    """An address that notes the first byte of each connection and hangs up."""
    first: list[int] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first.extend(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", first
    server.close()
    await server.wait_closed()


async def produce(kafka_url: str) -> None:
    producer = Producer(kafka_url, "test", registry=CollectorRegistry())
    await producer.start()
    await asyncio.sleep(0.2)
    await producer.close()


async def read(kafka_url: str) -> None:
    async with reading(kafka_url, "topic"):
        pass


async def lag(kafka_url: str) -> None:
    await asyncio.to_thread(consumer_lag, kafka_url, ["binding"])


async def ask(kafka_url: str) -> None:
    assert await kafka_problem(kafka_url, []) is not None


async def align(kafka_url: str) -> None:
    await apply_topics(kafka_url)


@pytest.mark.parametrize("client", [produce, read, lag, ask, align])
async def test_every_client_begins_with_tls(
    client: Callable[[str], Awaitable[None]], listener: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    address, first = listener

    with contextlib.suppress(KafkaError, OSError):
        await asyncio.wait_for(client(address), 15)

    assert first
    assert set(first) == {TLS_HANDSHAKE}


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_the_user_reaches_bare_clients_and_the_broker(
    mechanism: str, protocol: str, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", protocol)
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", mechanism)
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "binding")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(password))

    bare = kafka_servers("one:1,two:2")
    monkeypatch.setattr("shared.broker.KafkaBroker", lambda _, *, security, **__: parse_security(security))
    broker = cast(dict[str, Any], create_broker("one:1,two:2", "test"))

    for options in (bare, broker):
        assert options["security_protocol"] == protocol
        assert options["sasl_mechanism"] == mechanism
        assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("binding", PASSWORD)


def test_the_broker_speaks_tls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setattr("shared.broker.KafkaBroker", lambda _, *, security, **__: parse_security(security))

    options = cast(dict[str, Any], create_broker("one:1", "test"))

    assert options["security_protocol"] == "SSL"
    assert options["ssl_context"].check_hostname


def test_tls_checks_the_certificate_and_the_name() -> None:
    context = security(KafkaAccess(kafka_security_protocol="SSL"))["ssl_context"]

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_plain_needs_nothing_and_sasl_needs_a_user(password: Path) -> None:
    assert security(KafkaAccess()) == {}
    for missing in ({"kafka_sasl_username": "x"}, {"kafka_sasl_password_file": password}):
        with pytest.raises(ValidationError, match="SASL needs"):
            KafkaAccess.model_validate({"kafka_security_protocol": "SASL_SSL", **missing})
