"""Dead letters from outside: a bad deploy fills them, `musubi dlq` shows them, the fix and a replay give the effect."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from shared.broker import read_to_end, reading
from shared.clock import utcnow
from shared.ids import contact_id, ulid
from shared.mongo import Database
from shared.producer import Producer, Record
from shared.testing.line_webhooks import follow, line_record, unfollow, user_id
from shared.testing.processes import ServiceProcess, running
from shared.testing.waiting import eventually
from shared.topics import BY_NAME, LINE_EVENTS, MEMBER_EVENTS, MEMBER_STATE, WEB_EVENTS, retry_topic

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
RETRY = retry_topic("binding")
KEY = f"mk_dev_{'k' * 32}"

DEPLOYMENT = '''
"""Binding in a consumer group of the test's own; with BUG set, a deployment that chokes on unfollow events."""

import os
from functools import partial

from services.binding import app
from services.binding.settings import BindingSettings
from shared.http import main

handle = app.on_line_events
app.ConsumerOptions = partial(app.ConsumerOptions, group=os.environ["GROUP"])


async def chokes(records, deps):
    if any(b'"unfollow"' in record.value for record in records):
        raise KeyError("nobody thought of this")
    await handle(records, deps)


if "BUG" in os.environ:
    app.on_line_events = chokes
main("binding", BindingSettings, app.create_app)
'''


@dataclass
class Stage:
    """One test's account, database and consumer group on the shared servers."""

    folder: Path
    environment: dict[str, str]
    kafka_url: str
    channel: str
    sender: Producer

    @contextlib.asynccontextmanager
    async def deployed(self, *, bug: bool) -> AsyncIterator[ServiceProcess]:
        """Run binding as a process."""
        more = {"BUG": "1"} if bug else {}
        async with running("deployment", self.environment | more, self.folder / "log") as process:
            await process.ready(60)
            yield process

    async def member(self, process: ServiceProcess, user: str) -> dict[str, Any] | None:
        """Return the member of a user, by binding's API."""
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}) as client:
            contact = contact_id(self.channel, user)
            answer = await client.get(f"{process.url}/v1/members", params={"contact": contact})
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items[0] if items else None

    async def replays_are_done(self) -> bool:
        """Whether binding has finished everything that was replayed."""
        async with offsets_of(self.kafka_url, self.environment["GROUP"]) as consumer:
            ends = await consumer.end_offsets(places(RETRY))
            return all([(await consumer.committed(place) or 0) >= end for place, end in ends.items()])

    async def facts(self, member: str, type_: str) -> list[str]:
        """Return the ids of the facts of one type that were published about a member."""
        async with reading(self.kafka_url, MEMBER_EVENTS) as consumer:
            records = [record async for record in read_to_end(consumer) if record.key == member.encode()]
        facts = [json.loads(record.value or b"{}") for record in records]
        return [fact["id"] for fact in facts if fact["type"] == type_]


@contextlib.asynccontextmanager
async def offsets_of(kafka_url: str, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Look at a group's offsets without joining it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_url, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def places(*topics: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(BY_NAME[topic].partitions)]


async def start_from_now(kafka_url: str, group: str) -> None:
    """Let a group begin at the ends of the topics: what others' tests have left there is not this test's."""
    everything = places(LINE_EVENTS, WEB_EVENTS, MEMBER_STATE, RETRY)
    async with offsets_of(kafka_url, group) as consumer:
        consumer.assign(everything)
        await consumer.commit(await consumer.end_offsets(everything))


@pytest.fixture
async def stage(kafka_url: str, mongo_url: str, database: Database, tmp_path: Path) -> AsyncIterator[Stage]:
    channel = f"t-{ulid().lower()}"
    account = {
        "slug": channel,
        "name": "Coffee",
        "destination": user_id(0),
        "basic_id": "@coffee",
        "channel_secret": "s" * 32,
        "access_token": "t" * 100,
        "timezone": "Asia/Taipei",
        "language": "en",
    }
    files = {
        "CHANNELS_FILE": yaml.safe_dump([account]),
        "ADMIN_KEYS_FILE": yaml.safe_dump(
            [{"id": "dev", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "role": "admin"}]
        ),
        "LINK_KEY_FILE": yaml.safe_dump([{"id": "k1", "secret": base64.b64encode(bytes(32)).decode()}]),
        "ERASURE_KEY_FILE": base64.b64encode(bytes(32)).decode(),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "deployment.py").write_text(DEPLOYMENT)
    group = f"test.{channel}"
    await start_from_now(kafka_url, group)
    environment = {
        **{name: str(tmp_path / name) for name in files},
        "KAFKA_URL": kafka_url,
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": database.name,
        "GROUP": group,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    sender = Producer(kafka_url, "test", registry=CollectorRegistry())
    await sender.start()
    try:
        yield Stage(tmp_path, environment, kafka_url, channel, sender)
    finally:
        await sender.close()


def musubi(process: ServiceProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would, against this process."""
    return subprocess.run(
        [sys.executable, "-m", "musubi", *arguments],
        env={"PATH": os.environ["PATH"], "MUSUBI_API": process.url, "MUSUBI_KEY": KEY},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def listed(process: ServiceProcess, *arguments: str) -> list[dict[str, Any]]:
    """Return what `musubi dlq list --json` prints."""
    done = musubi(process, "dlq", "list", "--json", "--topic", LINE_EVENTS, *arguments)
    assert done.returncode == 0, done.stderr
    letters: list[dict[str, Any]] = json.loads(done.stdout)
    return letters


def named(letters: Sequence[dict[str, Any]], event_id: str) -> list[str]:
    """Return the letters of an event, as the command line names them."""
    return [f"{letter['service']}/{letter['id']}" for letter in letters if letter["event_id"] == event_id]


async def test_poison_is_set_aside_and_the_partition_moves_on(stage: Stage) -> None:
    user, event_id = user_id(1), ulid()
    key = contact_id(stage.channel, user).encode()
    poison = Record(LINE_EVENTS, key, b"\x00 no envelope", (("event-id", event_id.encode()),))

    async with stage.deployed(bug=False) as process:
        await stage.sender.send_all([poison, line_record(stage.channel, follow(user))], timeout=10)
        await eventually(lambda: stage.member(process, user))

        (letter,) = named(listed(process, "--error", "BadRecord"), event_id)
        shown = musubi(process, "dlq", "show", letter)
        table = musubi(process, "dlq", "list")

    assert shown.returncode == 0, shown.stderr
    assert "no envelope" in shown.stdout
    assert "BadRecord" in shown.stdout
    assert letter in table.stdout
    assert stage.channel not in (stage.folder / "log").read_text()


async def test_after_the_fix_a_replay_has_its_effect_once(stage: Stage) -> None:
    user = user_id(2)
    came, left = follow(user), unfollow(user, utcnow() + timedelta(seconds=1))
    event_id = left["webhookEventId"]

    async with stage.deployed(bug=True) as process:
        await stage.sender.send_all([line_record(stage.channel, event) for event in (came, left)], timeout=10)
        await eventually(lambda: named(listed(process, "--error", "KeyError"), event_id), every=0.5)
        member = await stage.member(process, user)

    assert member is not None
    assert await stage.facts(member["id"], "unfollowed") == []

    async with stage.deployed(bug=False) as process:
        (letter,) = named(listed(process), event_id)
        first = musubi(process, "dlq", "replay", letter)
        assert first.returncode == 0, first.stderr
        await eventually(lambda: stage.facts(member["id"], "unfollowed"), every=0.2)
        again = musubi(process, "dlq", "replay", letter)
        forced = musubi(process, "dlq", "replay", letter, "--force")
        await eventually(stage.replays_are_done, every=0.2)
        left_member = await stage.member(process, user)
        (replayed,) = [entry for entry in listed(process) if entry["event_id"] == event_id]
        dropped = musubi(process, "dlq", "drop", letter, "--why", "its effect is there")
        audit = musubi(process, "audit", "--action", "dead_letters.drop", "--json")

    assert forced.returncode == 0, forced.stderr
    assert again.returncode == 1
    assert "replayed before" in again.stderr
    assert "--force" in again.stderr
    assert replayed["replayed"] is True
    assert dropped.returncode == 0, dropped.stderr
    assert [entry["why"] for entry in json.loads(audit.stdout)] == ["its effect is there"]
    assert left_member is not None
    assert left_member["contacts"][0]["following"] is False
    assert len(await stage.facts(member["id"], "unfollowed")) == 1


async def test_what_cannot_be_done_is_said_in_words(stage: Stage) -> None:
    async with stage.deployed(bug=False) as process:
        missing = musubi(process, "dlq", "show", "binding/0-999999999")
        link = musubi(process, "link", "click", "https://shop.example/", "--channel", stage.channel)
        no_channel = musubi(process, "link", "source", "window", "--channel", "other")
    gone = musubi(process, "dlq", "list")

    for refused, words in (
        (missing, "no such dead letter"),
        (no_channel, "no such channel"),
        (gone, "does not answer"),
    ):
        assert refused.returncode == 1
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
    assert link.stdout.startswith(f"{process.url}/r/")
