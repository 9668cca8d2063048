"""A backup of a running service, a lost database, a restore: members as they were, versions above all that were told,
nobody greeted twice."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest
import yaml
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from deploy.local.errors import StackError
from musubi.backup.archive import Archive, BadArchive, opened, writing
from musubi.backup.owned import Place
from musubi.backup.restoring import Restored, restore
from musubi.backup.taking import back_up
from shared.broker import read_to_end, reading
from shared.clock import utcnow
from shared.erasures import Erasures
from shared.ids import contact_id, ulid
from shared.mongo import Database, Document
from shared.producer import Producer
from shared.testing.line_webhooks import follow, line_record, unfollow
from shared.testing.processes import ServiceProcess, running
from shared.testing.waiting import eventually
from shared.topics import BY_NAME, LINE_EVENTS, MEMBER_STATE, WEB_EVENTS, retry_topic
from simulator.server import running as stand_in
from simulator.settings import SimulatorSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
KEY = f"mk_dev_{'k' * 32}"
ERASURE_KEY = bytes(32)
OF_NOW = ("updated_at", "version", "published_version", "pending", "pending_since")
"""What a member has of the moment at which its events were consumed."""

DEPLOYMENT = '''
"""Binding in a consumer group of the test's own."""

import os
from functools import partial

from services.binding import app
from services.binding.settings import BindingSettings
from shared.http import main

app.ConsumerOptions = partial(app.ConsumerOptions, group=os.environ["GROUP"])
main("binding", BindingSettings, app.create_app)
'''


@dataclass
class Stage:
    """One test's account, its database and consumer group on the shared servers, and LINE's stand-in."""

    folder: Path
    environment: dict[str, str]
    kafka_url: str
    channel: str
    database: Database
    sender: Producer
    line: httpx.AsyncClient
    webhooks: list[dict[str, Any]]
    """Events that LINE has sent and that have not arrived yet."""

    @property
    def place(self) -> Place:
        """Where binding's things are."""
        return Place("binding", self.database, self.environment["GROUP"])

    @contextlib.asynccontextmanager
    async def deployed(self) -> AsyncIterator[ServiceProcess]:
        """Run binding as a process."""
        async with running("deployment", self.environment, self.folder / "log") as process:
            await process.ready(90)
            yield process
            process.signal(signal.SIGTERM)
            await process.wait()

    async def people(self, count: int) -> list[str]:
        """Make users at LINE."""
        made = await self.line.post("/users", json={"count": count, "seed": ulid(), "start": 0})
        users: list[str] = made.raise_for_status().json()["user_ids"]
        return users

    async def befriend(self, *users: str) -> None:
        """Let users add the account; LINE's own events arrive, whose reply tokens are good for one reply."""
        for user in users:
            (await self.line.post(f"/{self.channel}/users/{user}/follow", json={})).raise_for_status()
        await eventually(lambda: len(self.webhooks) == len(users), 30)
        await self.happens(*self.webhooks)
        self.webhooks.clear()

    async def happens(self, *events: dict[str, Any]) -> None:
        """Let LINE's events arrive."""
        await self.sender.send_all([line_record(self.channel, event) for event in events], timeout=10)

    async def greeted(self) -> dict[str, int]:
        """Count the messages that LINE accepted, by user."""
        log = (await self.line.get("/accepts", params={"since": 0, "limit": 10_000})).raise_for_status().json()
        calls = [call for call in log["items"] if call["api"] in {"reply", "push"}]
        users = [user for call in calls for user in call["to"]]
        return {user: users.count(user) for user in users}

    async def members(self) -> dict[str, Document]:
        """Return the account's members as they are stored, by contact, without what is of the moment."""
        found = [document async for document in self.database["members"].find({"channel": self.channel})]
        return {document["contacts"][0]["id"]: document for document in found if document["contacts"]}

    async def canonical(self) -> dict[str, str]:
        """Return a checksum of each member's lasting state."""
        return {contact: _checksum(document) for contact, document in (await self.members()).items()}

    async def published(self) -> dict[str, list[int]]:
        """Return the versions of each of the account's members, in the order of `member.state`."""
        versions: dict[str, list[int]] = {}
        async with reading(self.kafka_url, MEMBER_STATE) as consumer:
            async for record in read_to_end(consumer):
                told = orjson.loads(record.value) if record.value else {}
                if told.get("channel") == self.channel:
                    versions.setdefault(told["id"], []).append(told["version"])
        return versions

    async def settled(self) -> bool:
        """Whether everything that was written is finished and nothing waits."""
        waiting = await self.database["members"].count_documents(
            {"channel": self.channel, "pending.0.do": {"$exists": 1}}
        )
        async with offsets_of(self.kafka_url, self.environment["GROUP"]) as consumer:
            ends = await consumer.end_offsets(places())
            done = [(await consumer.committed(place) or 0) >= end for place, end in ends.items()]
        return waiting == 0 and all(done)

    async def bring_back(
        self, archive: Archive, *, replace: bool = False, patience: float = 60
    ) -> Mapping[str, Restored]:
        """Restore binding."""
        erasures = Erasures(self.kafka_url, ERASURE_KEY)
        return await restore(
            archive, [self.place], self.kafka_url, erasures, replace=replace, say=lambda _: None, patience=patience
        )


def _checksum(document: Document) -> str:
    kept = {name: value for name, value in document.items() if name not in OF_NOW}
    return hashlib.sha256(msgspec.json.encode(kept, order="sorted")).hexdigest()


def places() -> list[TopicPartition]:
    topics = (LINE_EVENTS, WEB_EVENTS, MEMBER_STATE, retry_topic("binding"))
    return [TopicPartition(topic, number) for topic in topics for number in range(BY_NAME[topic].partitions)]


@contextlib.asynccontextmanager
async def offsets_of(kafka_url: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Look at a group's offsets without joining it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@contextlib.asynccontextmanager
async def door(heard: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Take webhooks; yields where."""

    async def take(request: web.Request) -> web.Response:
        heard.extend((await request.json())["events"])
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook/{channel}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def stage(kafka_url: str, mongo_url: str, database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    channel = f"t-{ulid().lower()}"
    account = {
        "slug": channel,
        "name": "Coffee",
        "destination": "U" + "0" * 32,
        "basic_id": "@coffee",
        "channel_secret": "s" * 32,
        "access_token": "t" * 100,
        "timezone": "Asia/Taipei",
        "language": "en",
        "greetings": {"new": "Welcome!"},
    }
    files = {
        "CHANNELS_FILE": yaml.safe_dump([account]),
        "ADMIN_KEYS_FILE": yaml.safe_dump(
            [{"id": "dev", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "role": "admin"}]
        ),
        "LINK_KEY_FILE": yaml.safe_dump([{"id": "k1", "secret": base64.b64encode(bytes(32)).decode()}]),
        "ERASURE_KEY_FILE": base64.b64encode(ERASURE_KEY).decode(),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "deployment.py").write_text(DEPLOYMENT)
    group = f"test.{channel}"
    async with offsets_of(kafka_url, group) as consumer:
        consumer.assign(places())
        await consumer.commit(await consumer.end_offsets(places()))
    sender = Producer(kafka_url, "test", registry=CollectorRegistry())
    webhooks: list[dict[str, Any]] = []
    async with contextlib.AsyncExitStack() as stack:
        simulator = SimulatorSettings(
            channels_file=tmp_path / "CHANNELS_FILE",
            port=0,
            rate_limits=0,
            redelivery=False,
            webhook_base_url=await stack.enter_async_context(door(webhooks)),
            log_level="WARNING",
        )
        url, _ = await stack.enter_async_context(stand_in(simulator))
        environment = {
            **{name: str(tmp_path / name) for name in files},
            **dict.fromkeys(("LINE_API_URL", "LINE_DATA_URL", "LINE_LOGIN_URL"), url),
            "KAFKA_URL": kafka_url,
            "MONGO_URL": mongo_url,
            "MONGO_DATABASE": database.name,
            "GROUP": group,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        }
        line = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{url}/control", timeout=30))
        await sender.start()
        stack.push_async_callback(sender.close)
        yield Stage(tmp_path, environment, kafka_url, channel, database, sender, line, webhooks)


async def test_a_restored_binding_is_what_it_was_and_greets_nobody_twice(stage: Stage) -> None:
    ann, bob, eve, new = await stage.people(4)
    file = stage.folder / "backup.zip"

    async with stage.deployed() as process:
        await stage.befriend(ann, bob, eve)
        await eventually(stage.settled, 60, every=0.3)
        backed_up = {document["_id"]: document["version"] for document in (await stage.members()).values()}
        with writing(file) as writer:
            manifest = await back_up([stage.place], stage.kafka_url, writer)
        later = utcnow() + timedelta(seconds=1)
        await stage.happens(unfollow(bob, later), follow(bob, later + timedelta(seconds=1), unblocked=True))
        await stage.befriend(new)
        await eventually(stage.settled, 60, every=0.3)
        erased = (await stage.members())[contact_id(stage.channel, eve)]["_id"]
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as http:
            (await http.delete(f"{process.url}/v1/members/{erased}")).raise_for_status()
        await eventually(stage.settled, 60, every=0.3)
        with opened(file) as archive, pytest.raises(StackError, match="runs: stop all"):
            await stage.bring_back(archive, replace=True, patience=0)
    ids = {contact: document["_id"] for contact, document in (await stage.members()).items()}
    before, greeted, told = await stage.canonical(), await stage.greeted(), await stage.published()

    with opened(file) as archive:
        with pytest.raises(StackError, match="is not empty"):
            await stage.bring_back(archive)
        await stage.database.client.drop_database(stage.database.name)
        await stage.bring_back(archive)
    async with stage.deployed():
        await eventually(stage.settled, 60, every=0.3)

        assert await stage.canonical() == before
        assert await stage.greeted() == greeted

    assert set(before) == {contact_id(stage.channel, user) for user in (ann, bob, new)}
    assert {greeted[user] for user in (ann, new)} == {1}
    assert manifest.services["binding"].highest_version == max(backed_up.values())
    for member, versions in (await stage.published()).items():
        since = versions[len(told[member]) :]
        assert all(version > max(told[member]) for version in since), "an older version was told again"
    stored = {contact: document["version"] for contact, document in (await stage.members()).items()}
    bob_told = max(told[ids[contact_id(stage.channel, bob)]])
    assert stored[contact_id(stage.channel, bob)] > bob_told


async def test_a_damaged_backup_is_refused_and_changes_nothing(stage: Stage) -> None:
    await stage.database["members"].insert_many([{"_id": f"mbr_{number}", "version": 1} for number in range(50)])
    file = stage.folder / "backup.zip"
    with writing(file) as writer:
        await back_up([stage.place], stage.kafka_url, writer)
    whole = file.read_bytes()
    await stage.database["members"].insert_one({"_id": "mbr_later"})

    for position in range(40, len(whole) - 200, max(1, len(whole) // 12)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        with contextlib.suppress(BadArchive), opened(file) as archive:
            archive.verify(archive.manifest.services)
            continue
        with pytest.raises(BadArchive), opened(file) as archive:
            await stage.bring_back(archive, replace=True)
        assert await stage.database["members"].count_documents({}) == 51
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadArchive), opened(file):
        pass

    file.write_bytes(whole)
    with opened(file) as archive:
        done = await stage.bring_back(archive, replace=True)
    assert await stage.database["members"].find_one({"_id": "mbr_later"}) is None
    assert done["binding"].documents == 50
