"""Ingest and a broker's bad days: 503 in time, never a false 200, bounded memory, back by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka.errors import KafkaError

from deploy.local.servers import Server, Servers
from deploy.topics.job import apply_topics
from shared.broker import read_to_end, reading
from shared.ids import ulid
from shared.testing.processes import ServiceProcess, free_port, running
from shared.testing.waiting import eventually
from shared.testing.webhooks import account, event, signed_headers, webhook, write_files
from shared.topics import LINE_EVENTS

pytestmark = pytest.mark.integration

IN_TIME = 1.5


@pytest.fixture
def slug() -> str:
    """Return an account of this test's own on the shared topic."""
    return ulid().lower()


@pytest.fixture
def environment(kafka_url: str, slug: str, tmp_path: Path) -> dict[str, str]:
    return {"KAFKA_URL": kafka_url, **write_files(tmp_path, [account(slug)]).environment()}


@pytest.fixture
async def ingest(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with running("services.ingest", environment, tmp_path / "ingest.log") as process:
        await process.ready()
        yield process


@pytest.fixture
def kafka(servers: Servers, kafka_url: str) -> Iterator[Server]:
    """The broker, to be stopped; up again afterwards."""
    if servers.kafka is None:
        pytest.skip("the Kafka that was given is not ours to stop")
    yield servers.kafka
    servers.kafka.resume()
    if servers.kafka.pid is None:
        servers.kafka.start()


@dataclass
class Line:
    """Sends webhooks of one account and keeps who was told what."""

    slug: str
    session: aiohttp.ClientSession
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    slowest: float = 0.0

    async def send(self, ingest: ServiceProcess, events: Sequence[dict[str, Any]] | None = None) -> int:
        """Send one webhook, of one new event if none are given, and return the status."""
        events = events or [event()]
        body = webhook(*events)
        started = time.monotonic()
        url = f"{ingest.url}/webhook/{self.slug}"
        async with self.session.post(url, data=body, headers=signed_headers(body)) as answer:
            status = answer.status
        self.slowest = max(self.slowest, time.monotonic() - started)
        told = self.accepted if status == 200 else self.refused
        told.update(each["webhookEventId"] for each in events)
        return status

    async def stored(self, kafka_url: str) -> list[str]:
        """Return the ids of the account's records on the topic, once the broker lets it be read."""
        read = await eventually(lambda: self._read(kafka_url))
        return list(read)

    async def _read(self, kafka_url: str) -> tuple[str, ...] | None:
        prefix = f"{self.slug}:".encode()
        try:
            async with reading(kafka_url, LINE_EVENTS) as consumer:
                values = [r.value async for r in read_to_end(consumer) if (r.key or b"").startswith(prefix)]
        except KafkaError:
            return None
        return tuple(json.loads(value or b"")["event"]["webhookEventId"] for value in values)


@pytest.fixture
async def line(slug: str) -> AsyncIterator[Line]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Line(slug, session)


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(row for row in status.splitlines() if row.startswith("VmRSS")).split()[1])


async def test_ten_events_three_times_in_parallel_to_two_processes_are_all_stored(
    environment: dict[str, str], tmp_path: Path, line: Line, kafka_url: str
) -> None:
    events = [event() for _ in range(10)]
    async with AsyncExitStack() as stack:
        doors = [
            await stack.enter_async_context(running("services.ingest", environment, tmp_path / f"ingest-{number}.log"))
            for number in range(2)
        ]
        await asyncio.gather(*(door.ready() for door in doors))
        statuses = await asyncio.gather(*(line.send(doors[turn % 2], events) for turn in range(3)))

    assert statuses == [200, 200, 200]
    stored = await line.stored(kafka_url)
    assert sorted(stored) == sorted([each["webhookEventId"] for each in events] * 3)


@pytest.mark.parametrize("fault", ["frozen", "killed"])
async def test_without_a_broker_every_answer_is_503_in_time_and_it_comes_back(
    ingest: ServiceProcess, kafka: Server, line: Line, kafka_url: str, fault: str
) -> None:
    assert await line.send(ingest) == 200
    (kafka.pause if fault == "frozen" else kafka.kill)()

    statuses = [status for _ in range(3) for status in await asyncio.gather(*(line.send(ingest) for _ in range(30)))]

    assert set(statuses) == {503}
    assert line.slowest < IN_TIME
    assert await ingest.answers("/health/live")
    await eventually(lambda: unready(ingest))

    if fault == "frozen":
        kafka.resume()
    else:
        await asyncio.to_thread(kafka.start)
    await eventually(lambda: came_back(line, ingest), 60)
    await ingest.ready()
    stored = await line.stored(kafka_url)
    assert line.accepted <= set(stored)
    assert len([each for each in stored if each in line.accepted]) == len(line.accepted)


async def unready(ingest: ServiceProcess) -> bool:
    return not await ingest.answers("/health/ready")


async def came_back(line: Line, ingest: ServiceProcess) -> bool:
    return await line.send(ingest) == 200


async def test_memory_is_bounded_while_the_broker_stalls(ingest: ServiceProcess, kafka: Server, line: Line) -> None:
    assert await line.send(ingest) == 200
    kafka.pause()
    big = [event(text="x" * 200_000)]
    seen = []

    for _ in range(6):
        statuses = await asyncio.gather(*(line.send(ingest, big) for _ in range(120)))
        assert set(statuses) == {503}
        seen.append(resident_kib(ingest.pid))

    # 720 bodies of 200 kB are 140 MB; at most 64 MiB of records are held, and no more comes after that.
    assert seen[-1] - seen[-3] < 24 * 1024
    assert seen[-1] < 320 * 1024
    kafka.resume()
    await eventually(lambda: came_back(line, ingest), 60)


async def test_it_starts_before_its_broker_and_finds_it_later(
    servers: Servers, kafka: Server, environment: dict[str, str], tmp_path: Path, line: Line, kafka_url: str
) -> None:
    kafka.stop()
    async with running("services.ingest", environment, tmp_path / "early.log") as ingest:
        assert not await ingest.answers("/health/ready")
        assert await line.send(ingest) == 503
        await asyncio.to_thread(kafka.start)
        await ingest.ready(60)
        assert await line.send(ingest) == 200
    assert line.accepted <= set(await line.stored(kafka_url))


async def test_one_refused_event_makes_the_whole_body_503_and_its_retry_stores_all(
    ingest: ServiceProcess, kafka_url: str, line: Line
) -> None:
    """Fault 4: the broker refuses the third of five events, which costs an idempotent client its sequence as well."""
    events = [event() for _ in range(5)]
    events[2]["text"] = "x" * 20_000
    await allow_messages_of(kafka_url, 10_000)
    try:
        await eventually(lambda: refuses(line, ingest, events))
        await eventually(lambda: came_back(line, ingest))
    finally:
        await eventually(lambda: nothing_to_align(kafka_url))
    await eventually(lambda: accepts(line, ingest, events))

    assert line.slowest < IN_TIME
    assert {each["webhookEventId"] for each in events} <= set(await line.stored(kafka_url))


async def nothing_to_align(kafka_url: str) -> bool:
    """Bring the topics' configuration back; the call above replaced all of it."""
    return not await apply_topics(kafka_url)


async def refuses(line: Line, ingest: ServiceProcess, events: Sequence[dict[str, Any]]) -> bool:
    return await line.send(ingest, events) == 503


async def accepts(line: Line, ingest: ServiceProcess, events: Sequence[dict[str, Any]]) -> bool:
    return await line.send(ingest, events) == 200


async def allow_messages_of(kafka_url: str, size: int) -> None:
    """Set the topic's `max.message.bytes`. (Kafka 4 does not refuse for want of replicas that cannot exist.)"""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    try:
        config = {"max.message.bytes": str(size)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, LINE_EVENTS, configs=config)])
    finally:
        await admin.close()


async def test_sigterm_answers_what_is_under_way_and_loses_nothing(
    ingest: ServiceProcess, line: Line, kafka_url: str
) -> None:
    busy = True

    async def keep_sending() -> None:
        while busy:
            try:
                await line.send(ingest)
            except aiohttp.ClientError:
                return

    senders = [asyncio.create_task(keep_sending()) for _ in range(8)]
    await eventually(lambda: len(line.accepted) > 50)
    started = time.monotonic()
    ingest.signal(signal.SIGTERM)
    status = await ingest.wait(20)
    busy = False
    await asyncio.gather(*senders)

    assert status == 0
    assert time.monotonic() - started < 20
    assert line.refused == set()
    stored = await line.stored(kafka_url)
    assert line.accepted <= set(stored)


async def test_a_killed_ingest_has_stored_all_it_accepted(ingest: ServiceProcess, line: Line, kafka_url: str) -> None:
    async def keep_sending() -> None:
        while True:
            try:
                await line.send(ingest)
            except aiohttp.ClientError:
                return

    senders = [asyncio.create_task(keep_sending()) for _ in range(8)]
    await eventually(lambda: len(line.accepted) > 50)
    ingest.signal(signal.SIGKILL)
    await asyncio.gather(*senders)

    assert line.accepted <= set(await line.stored(kafka_url))


async def test_wrong_settings_are_said_plainly_with_status_2(environment: dict[str, str], tmp_path: Path) -> None:
    process = ServiceProcess("services.ingest", environment | {"KAFKA_URL": "nowhere"}, tmp_path / "settings.log")
    process.start()
    assert await process.wait() == 2
    assert process.log == (
        "ingest cannot start: wrong settings in its environment\n"
        "  KAFKA_URL: must be host:port, or several of them with commas between\n"
    )


async def test_a_wrong_file_is_said_plainly_with_status_2(environment: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, [account("BAD SLUG")])
    process = ServiceProcess("services.ingest", environment, tmp_path / "file.log")
    process.start()
    assert await process.wait() == 2
    assert process.log.startswith("ingest cannot start: channels.yaml: entry 0.slug")
    assert "Traceback" not in process.log


async def test_a_taken_port_is_said_plainly(environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with taken:
        process = ServiceProcess("services.ingest", environment | {"PORT": str(port)}, tmp_path / "port.log")
        process.start()
        assert await process.wait() != 0
    assert f"port {port}" in process.log
    assert "Traceback" not in process.log
