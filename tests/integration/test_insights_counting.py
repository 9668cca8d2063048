"""Insights on the real broker and store: what is counted, exactly, whatever is delivered twice or killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from services.insights.app import create_app
from services.insights.counters.readings import READERS
from services.insights.tests.desk import Desk, make_desk
from shared.consumer.records import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC
from shared.events import (
    ChunkAccepted,
    Fact,
    LinkClicked,
    MemberAttributed,
    MemberBound,
    MemberFollowed,
    MemberUnfollowed,
    MessageSent,
    TicketOpened,
    encode,
)
from shared.ids import contact_id, member_id, ulid
from shared.mongo import Database
from shared.producer import Producer, Record
from shared.testing.line_webhooks import follow, line_record, message, unfollow, user_id
from shared.testing.waiting import eventually
from shared.topics import (
    BY_NAME,
    CAMPAIGN_EVENTS,
    LINE_EVENTS,
    LINE_SENT,
    MEMBER_EVENTS,
    TICKET_EVENTS,
    WEB_EVENTS,
    retry_topic,
)

if TYPE_CHECKING:
    from deploy.local.servers import Servers

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
"""Noon in Taipei."""


@dataclass
class Stage:
    """One test's account, database and consumer group on the shared servers."""

    kafka_url: str
    mongo_url: str
    database: Database
    desk: Desk
    sender: Producer
    channel: str

    @property
    def group(self) -> str:
        """The consumer group, of this test alone: it begins at the beginning of the topics."""
        return f"test.{self.channel}"

    async def send(self, *records: Record) -> None:
        """Publish records in order."""
        for record in records:
            await self.sender.send_all([record], timeout=10)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.AsyncClient]:
        """Run insights in this process."""
        settings = self.desk.settings(self.kafka_url, self.mongo_url, self.database.name, self.group)
        app = create_app(settings.model_copy(update={"group_instance_id": self.channel}))
        async with app.lifespan(), self.desk.client(app) as client:
            yield client

    def start_process(self) -> subprocess.Popen[bytes]:
        """Start insights as a process of its own, which takes its group's place over at once when it is restarted."""
        wanted = self.desk.environment(self.kafka_url, self.mongo_url, self.database.name, self.group)
        with (self.desk.folder / "insights.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.insights"],
                env=os.environ | wanted | {"GROUP_INSTANCE_ID": self.channel},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def report(self, client: httpx.AsyncClient, name: str, **query: str) -> dict[str, Any]:
        """Fetch a report of the account, for 20 November 2026 where nothing else is asked."""
        asked = {"from": "2026-11-20", "to": "2026-11-20"} | query
        answer = await client.get(f"/v1/insights/{self.channel}/{name}", params=asked)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def channel() -> str:
    return f"t-{ulid().lower()}"


@pytest_asyncio.fixture
async def stage(
    kafka_url: str, mongo_url: str, database: Database, tmp_path: Path, channel: str
) -> AsyncIterator[Stage]:
    sender = Producer(kafka_url, "test", registry=CollectorRegistry())
    await sender.start()
    desk = make_desk(tmp_path, {channel: "Asia/Taipei"})
    try:
        yield Stage(kafka_url, mongo_url, database, desk, sender, channel)
    finally:
        await sender.close()


def fact_record(topic: str, key: str, fact: Fact | MessageSent) -> Record:
    return Record(topic, key.encode(), encode(fact), (("event-id", fact.id.encode()),))


def followed(channel: str, user: str, at: datetime) -> Record:
    contact = contact_id(channel, user)
    fact = MemberFollowed(id=ulid(), channel=channel, occurred_at=at, member=member_id(contact), contact=contact)
    return fact_record(MEMBER_EVENTS, fact.member, fact)


def unfollowed(channel: str, user: str, at: datetime) -> Record:
    contact = contact_id(channel, user)
    fact = MemberUnfollowed(id=ulid(), channel=channel, occurred_at=at, member=member_id(contact), contact=contact)
    return fact_record(MEMBER_EVENTS, fact.member, fact)


async def test_three_follows_and_one_unfollow_read_adds_3_blocks_1_reach_2_and_a_copy_changes_nothing(
    stage: Stage,
) -> None:
    people = [user_id(number) for number in range(3)]
    later = NOON + timedelta(minutes=5)
    records = [
        *(line_record(stage.channel, follow(person, NOON)) for person in people),
        line_record(stage.channel, unfollow(people[0], later)),
        *(followed(stage.channel, person, NOON) for person in people),
        unfollowed(stage.channel, people[0], later),
    ]
    await stage.send(*records)

    async with stage.running() as client:

        async def day() -> tuple[int, int, int]:
            item = (await stage.report(client, "friends"))["items"][0]
            return item["adds"], item["blocks"], item["reach"]

        await settled(stage)
        assert await day() == (3, 1, 2)
        await stage.send(*records)
        await settled(stage)
        assert await day() == (3, 1, 2)


async def test_the_copy_that_line_redelivers_within_one_batch_counts_once(stage: Stage) -> None:
    event = message(user_id(1), at=NOON)
    again = event | {"deliveryContext": {"isRedelivery": True}}
    await stage.send(line_record(stage.channel, event), line_record(stage.channel, again))

    async with stage.running() as client:
        await settled(stage)
        assert (await stage.report(client, "messages"))["totals"]["received"] == 1


async def test_each_topic_feeds_its_numbers_and_says_so(stage: Stage) -> None:
    contact = contact_id(stage.channel, user_id(1))
    member = member_id(contact)
    about: dict[str, Any] = {"channel": stage.channel, "occurred_at": NOON, "member": member}
    click: dict[str, Any] = {
        "channel": stage.channel,
        "occurred_at": NOON,
        "link": "menu",
        "url": "https://example.com/",
    }
    sent: dict[str, Any] = {"channel": stage.channel, "occurred_at": NOON, "service": "binding", "contact": contact}
    campaign: dict[str, Any] = {"channel": stage.channel, "occurred_at": NOON, "campaign": "cmp_1"}
    ticket: dict[str, Any] = {
        "channel": stage.channel,
        "occurred_at": NOON,
        "contact": contact,
        "ticket": "tkt_1",
        "number": 1,
    }
    await stage.send(
        line_record(stage.channel, follow(user_id(1), NOON)),
        line_record(stage.channel, message(user_id(1), "image", NOON)),
        line_record(
            stage.channel, message(user_id(1), "text", NOON, source={"type": "group", "groupId": "C" + "1" * 32})
        ),
        followed(stage.channel, user_id(1), NOON),
        fact_record(MEMBER_EVENTS, member, MemberAttributed(id=ulid(), source="poster", basis="liff", **about)),
        fact_record(MEMBER_EVENTS, member, MemberBound(id=ulid(), by="account_link", **about)),
        fact_record(WEB_EVENTS, "v1", LinkClicked(id=ulid(), visitor="v1", **click)),
        fact_record(WEB_EVENTS, "v1", LinkClicked(id=ulid(), visitor="v1", **click)),
        fact_record(WEB_EVENTS, "r1", LinkClicked(id=ulid(), visitor="r1", robot=True, **click)),
        fact_record(LINE_SENT, contact, MessageSent(id=ulid(), api="reply", kind="greeting", **sent)),
        fact_record(
            LINE_SENT, "cmp_1", MessageSent(id=ulid(), api="multicast", kind="campaign", recipients=480, **sent)
        ),
        fact_record(CAMPAIGN_EVENTS, "cmp_1", ChunkAccepted(id=ulid(), chunk=0, recipients=480, **campaign)),
        fact_record(WEB_EVENTS, "v1", LinkClicked(id=ulid(), visitor="v1", **(click | {"link": "cmp_1.0"}))),
        fact_record(TICKET_EVENTS, contact, TicketOpened(id=ulid(), kind="repair", by="repair", **ticket)),
    )
    async with stage.running() as client:

        async def values() -> dict[str, Any]:
            summary = await stage.report(client, "summary")
            return {item["measure"]: (item["value"], item["source"]) for item in summary["items"]}

        expected = {
            "adds": (1, "line webhook"),
            "reach": (1, "binding"),
            "attributed": (1, "binding"),
            "received": (1, "line webhook"),
            "received_in_groups": (1, "line webhook"),
            "sent_calls": (2, "accepted by LINE"),
            "sent_recipients": (481, "accepted by LINE"),
            "clicks": (3, "own click"),
            "tickets_opened": (1, "ticketing"),
            "open_tickets": (1, "ticketing"),
            "robot_clicks": (1, "own click"),
            "browsers": (1, "own click"),
            "bound_share": (1.0, "binding"),
        }

        await settled(stage)
        assert (await values()).items() >= expected.items()
        report = await stage.report(client, "clicks", grain="hour")
        assert [entry["label"] for entry in report["items"] if entry["clicks"]] == ["2026-11-20T12:00+08:00"]
        assert report["as_of"] == "2026-11-20T12:00:00+08:00"
        [item] = (await stage.report(client, "campaigns"))["items"]
        assert (item["campaign"], item["accepted"], item["clickers"]) == ("cmp_1", 480, 1)


async def test_a_record_that_cannot_be_read_goes_to_the_dead_letters_and_the_rest_is_counted(stage: Stage) -> None:
    key = contact_id(stage.channel, user_id(1)).encode()
    await stage.send(
        line_record(stage.channel, message(user_id(1), at=NOON)),
        Record(LINE_EVENTS, key, b"{no json", (("event-id", ulid().encode()),)),
        line_record(stage.channel, message(user_id(1), at=NOON)),
    )
    async with stage.running() as client:
        await settled(stage)
        assert (await stage.report(client, "messages"))["totals"]["received"] == 2


async def test_a_replayed_dead_letter_is_counted_by_its_own_time_and_topic(stage: Stage) -> None:
    record = line_record(stage.channel, follow(user_id(1), NOON))
    origin = ((ORIGIN_TOPIC, LINE_EVENTS.encode()), (ORIGIN_PARTITION, b"0"), (ORIGIN_OFFSET, b"0"))
    await stage.send(record._replace(topic=retry_topic("insights"), headers=record.headers + origin))

    async with stage.running() as client:

        async def counted() -> bool:
            return bool((await stage.report(client, "friends"))["totals"]["adds"] == 1)

        await eventually(counted)


async def test_what_arrives_while_the_store_is_down_is_counted_when_it_is_back(stage: Stage, servers: Servers) -> None:
    if servers.mongo is None:
        pytest.skip("the store was given by MONGO_URL: it is not for a test to stop")
    async with stage.running() as client:
        await settled(stage)
        servers.mongo.stop()
        try:
            await stage.send(*(line_record(stage.channel, message(user_id(n), at=NOON)) for n in range(20)))
            answer = await client.get(f"/v1/insights/{stage.channel}/messages")
        finally:
            servers.mongo.start()
        await settled(stage)
        assert answer.status_code == 503
        assert (await stage.report(client, "messages"))["totals"]["received"] == 20


async def test_told_to_end_it_finishes_commits_and_ends_with_0(stage: Stage) -> None:
    await stage.send(*(line_record(stage.channel, message(user_id(n), at=NOON)) for n in range(20)))
    process = stage.start_process()
    try:
        await settled(stage)
        process.terminate()
        status = await asyncio.to_thread(process.wait, 25)
    finally:
        process.kill()
        process.wait()

    log = (stage.desk.folder / "insights.log").read_text()
    assert status == 0, log
    assert '"message":"stopped"' in log
    assert "drain took too long" not in log
    async with stage.running() as client:
        assert (await stage.report(client, "messages"))["totals"]["received"] == 20


async def test_killed_in_mid_batch_again_and_again_it_ends_at_what_one_clean_pass_counts(stage: Stage) -> None:
    moments = [NOON + timedelta(minutes=number) for number in range(3000)]
    events = [message(user_id(number % 40), at=moment) for number, moment in enumerate(moments)]
    records = [line_record(stage.channel, event) for event in events]
    claims = stage.database["claims"]

    async def more_than(before: int) -> bool:
        return bool(await claims.count_documents({}) > before)

    for start in (0, 1000, 2000):
        claimed = await claims.count_documents({})
        again = records[:100] if start else []
        await stage.sender.send_all([*records[start : start + 1000], *again], timeout=30)
        process = stage.start_process()
        try:
            # Claims come before the counters: killed now, it has claimed what it has not counted.
            await eventually(partial(more_than, claimed), every=0.002)
        finally:
            process.kill()
            process.wait()

    async with stage.running() as client:
        await settled(stage)
        by_day = await stage.report(client, "messages", to="2026-11-23")
        by_hour = await stage.report(client, "messages", to="2026-11-23", grain="hour")
    zone = ZoneInfo("Asia/Taipei")
    assert counts(by_day, "received") == Counter(f"{moment.astimezone(zone):%Y-%m-%d}" for moment in moments)
    assert counts(by_hour, "received") == Counter(
        f"{moment.astimezone(zone):%Y-%m-%dT%H:00+08:00}" for moment in moments
    )


async def settled(stage: Stage) -> None:
    """Return when the test's group has read everything that stands on insights' topics now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.kafka_url, group_id=stage.group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in READERS for number in range(BY_NAME[topic].partitions)]
        ends = await consumer.end_offsets(places)

        async def read_all() -> bool:
            done = [(await consumer.committed(place) or 0) >= ends[place] for place in places]
            return all(done)

        await eventually(read_all, every=0.2)
    finally:
        await consumer.stop()


def counts(report: dict[str, Any], name: str) -> dict[str, int]:
    """Return a number by label, where it is not 0."""
    return {item["label"]: item[name] for item in report["items"] if item[name]}
