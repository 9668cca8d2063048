"""The consumer on the real broker: order, concurrency, commits, guards, dead letters, hand-over (design §5)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.topics.job import apply_topics
from shared.audit import Audit
from shared.consumer import BadRecord, Consumer, ConsumerOptions, Record, WorldDown, claims
from shared.dlq import DeadLetterDesk
from shared.dlq.letters import LetterFilter
from shared.ids import ulid
from shared.mongo import Database
from shared.producer import Producer
from shared.producer import Record as Outgoing
from shared.testing.waiting import eventually
from shared.topics import COMMERCE_EVENTS, Topic

pytestmark = pytest.mark.integration

Handler = Callable[[Sequence[Record]], Awaitable[None]]

SPOILT = Topic("spoilt.events", 3)
"""Full of bad records: a topic that a service reads would stop that service's breaker in another test."""


class Lab:
    """One test's corner of the shared broker: keys with a prefix of its own, a group of its own."""

    def __init__(self, kafka_url: str, database: Database, sender: Producer) -> None:
        self.kafka_url = kafka_url
        self.database = database
        self.sender = sender
        self.run = ulid().lower()
        self.topic = COMMERCE_EVENTS
        self.seen: list[Record] = []

    async def send(self, *messages: tuple[str, str], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Publish (key, value) pairs."""
        records = [
            Outgoing(self.topic, f"{self.run}:{key}".encode(), value.encode(), tuple(headers))
            for key, value in messages
        ]
        await self.sender.send_all(records, timeout=10)

    def mine(self, handler: Handler) -> Handler:
        """Hand on only this test's records."""

        async def filtered(records: Sequence[Record]) -> None:
            own = [record for record in records if (record.key or b"").startswith(self.run.encode())]
            if own:
                await handler(own)

        return filtered

    @contextlib.asynccontextmanager
    async def consuming(self, handler: Handler, *, everything: bool = False, **options: Any) -> AsyncIterator[Consumer]:
        """Consume with a handler in a member of the test's group."""
        consumer = Consumer(
            ConsumerOptions("ticketing", self.kafka_url, group=f"test.{self.run}", **options),
            {self.topic: handler if everything else self.mine(handler)},
            self.sender,
            claims.Claims(self.database),
            None,
            CollectorRegistry(),
        )

        async def nothing() -> None:
            return

        async with consumer.running(nothing):
            yield consumer

    async def note(self, records: Sequence[Record]) -> None:
        """A handler that only remembers."""
        self.seen += records

    def values(self, key: str | None = None) -> list[str]:
        """What was handled, in order."""
        wanted = f"{self.run}:{key}".encode() if key else None
        return [(r.value or b"").decode() for r in self.seen if wanted in (None, r.key)]


@pytest.fixture
async def lab(kafka_url: str, database: Database) -> AsyncIterator[Lab]:
    sender = Producer(kafka_url, "test", registry=CollectorRegistry())
    await sender.start()
    try:
        yield Lab(kafka_url, database, sender)
    finally:
        await sender.close()


async def test_keeps_order_within_a_key_and_commits_what_is_finished(lab: Lab) -> None:
    await lab.send(*[(f"k{n % 7}", str(n)) for n in range(700)])
    async with lab.consuming(lab.note):
        await eventually(lambda: len(lab.seen) == 700)
    for key in range(7):
        assert lab.values(f"k{key}") == [str(n) for n in range(700) if n % 7 == key]
    again = Lab(lab.kafka_url, lab.database, lab.sender)
    again.run = lab.run
    await lab.send(("k0", "later"))
    async with again.consuming(again.note):
        await eventually(lambda: "later" in again.values())
    assert again.values() == ["later"]


async def test_a_slow_key_holds_up_no_other_and_is_never_skipped_by_a_commit(lab: Lab) -> None:
    release = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        if records[0].key == f"{lab.run}:slow".encode():
            await release.wait()
        await lab.note(records)

    await lab.send(("slow", "first"), *[(f"quick{n}", str(n)) for n in range(200)], ("slow", "second"))
    async with lab.consuming(handler, drain_seconds=0.5):
        await eventually(lambda: len(lab.seen) == 200)
        assert "first" not in lab.values()
    again = Lab(lab.kafka_url, lab.database, lab.sender)
    again.run = lab.run
    async with again.consuming(again.note):
        await eventually(lambda: again.values("slow") == ["first", "second"])


async def test_a_run_of_one_key_is_handed_over_together(lab: Lab) -> None:
    gate = asyncio.Event()
    runs: list[int] = []

    async def handler(records: Sequence[Record]) -> None:
        await gate.wait()
        runs.append(len(records))
        await lab.note(records)

    await lab.send(*[("one", str(n)) for n in range(90)])
    async with lab.consuming(handler) as consumer:
        await eventually(lambda: consumer.metrics.unfinished.labels(COMMERCE_EVENTS)._value.get() >= 90)
        gate.set()
        await eventually(lambda: len(lab.seen) == 90)
    assert lab.values("one") == [str(n) for n in range(90)]
    assert len(runs) < 10


async def test_an_event_delivered_again_under_a_new_offset_is_dropped(lab: Lab) -> None:
    event = [("event-id", f"{lab.run}-evt".encode())]
    for _ in range(3):
        await lab.send(("k", "once"), headers=event)
    await lab.send(("k", "end"))
    async with lab.consuming(lab.note):
        await eventually(lambda: "end" in lab.values())
    assert lab.values() == ["once", "end"]


async def test_a_claimed_record_whose_handler_died_is_handled_when_it_comes_again(lab: Lab) -> None:
    started = asyncio.Event()

    async def dies(_: Sequence[Record]) -> None:
        started.set()
        await asyncio.Event().wait()

    await lab.send(("k", "precious"), headers=[("event-id", f"{lab.run}-evt".encode())])
    async with lab.consuming(dies, drain_seconds=0.1):
        await started.wait()
    async with lab.consuming(lab.note):
        await eventually(lambda: lab.values() == ["precious"])


async def test_a_poisoned_record_goes_to_the_dead_letters_and_the_rest_goes_on(lab: Lab) -> None:
    async def handler(records: Sequence[Record]) -> None:
        if any(record.value == b"poison" for record in records):
            raise BadRecord("it is poisoned")
        await lab.note(records)

    event = [("event-id", f"{lab.run}-poison".encode()), ("odd", b"\xff\xfe")]
    await lab.send(("k", "before"))
    await lab.send(("k", "poison"), headers=event)
    await lab.send(("k", "after"))
    desk = DeadLetterDesk("ticketing", lab.kafka_url, lab.sender, lab.database, Audit(lab.database))
    async with lab.consuming(handler):
        await eventually(lambda: lab.values() == ["before", "after"])
        letters = await desk.page(LetterFilter(COMMERCE_EVENTS, "BadRecord"), before=None, limit=100)
        letter = next(letter for letter in letters if letter.event_id == f"{lab.run}-poison")
        shown = await desk.show(letter.id)
        assert (shown.value, shown.error, shown.attempts) == ("poison", "it is poisoned", 1)
    async with lab.consuming(lab.note):
        await desk.replay(letter.id, "tester", force=False)
        await eventually(lambda: lab.values() == ["before", "after", "poison"])
    assert lab.seen[-1].topic == COMMERCE_EVENTS
    assert lab.seen[-1].header("odd") == b"\xff\xfe"


async def test_an_unexpected_error_is_tried_again_before_the_record_is_given_up(lab: Lab) -> None:
    failures = 0

    async def handler(records: Sequence[Record]) -> None:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise KeyError("a bug that passes")
        await lab.note(records)

    await lab.send(("k", "stubborn"))
    async with lab.consuming(handler):
        await eventually(lambda: lab.values() == ["stubborn"])
    assert failures == 2


async def test_while_the_world_is_down_the_same_record_is_tried_and_never_a_dead_letter(lab: Lab) -> None:
    attempts = 0

    async def handler(records: Sequence[Record]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 5:
            raise WorldDown("the store is away")
        await lab.note(records)

    await lab.send(("k", "patient"))
    async with lab.consuming(handler) as consumer:
        await eventually(lambda: lab.values() == ["patient"])
        assert consumer.metrics.retries.labels("world")._value.get() == 5
        assert consumer.metrics.records.labels(COMMERCE_EVENTS, "dead_letter")._value.get() == 0


async def test_the_breaker_stops_a_consumer_that_finds_everything_bad(lab: Lab) -> None:
    async def handler(_: Sequence[Record]) -> None:
        raise BadRecord("a bad deploy")

    lab.topic = SPOILT.name
    await apply_topics(lab.kafka_url, topics=[SPOILT])
    await lab.send(*[(f"k{n}", str(n)) for n in range(60)])
    async with lab.consuming(handler, everything=True, drain_seconds=0.2) as consumer:
        await eventually(lambda: consumer.breaker.open)
        assert "bad records" in (await consumer.ready() or "")
        assert consumer.metrics.records.labels(SPOILT.name, "dead_letter")._value.get() < 20
    async with lab.consuming(lab.note):
        await eventually(lambda: len(lab.seen) >= 60 - 20)


async def test_members_joining_and_leaving_under_load_lose_and_double_nothing(lab: Lab) -> None:
    effects: dict[str, list[int]] = defaultdict(list)

    async def handler(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.002)
        for record in records:
            key, offset = (record.key or b"").decode(), record.at.offset
            if not effects[key] or effects[key][-1] < offset:
                effects[key].append(offset)

    async def load() -> None:
        for n in range(60):
            await lab.send(*[(f"k{m}", f"{n}.{m}") for m in range(40)])
            await asyncio.sleep(0.03)

    def total() -> int:
        return sum(len(offsets) for offsets in effects.values())

    sending = asyncio.create_task(load())

    def lag_series(consumer: Consumer) -> int:
        return sum(1 for sample in next(iter(consumer.metrics.lag.collect())).samples if sample.labels)

    async with lab.consuming(handler) as first:
        await eventually(lambda: total() > 200)
        async with lab.consuming(handler) as second:
            await eventually(lambda: second.metrics.partitions._value.get() > 0)
            async with lab.consuming(handler) as third:
                await eventually(lambda: third.metrics.partitions._value.get() > 0)
            await eventually(lambda: lag_series(first) <= first.metrics.partitions._value.get() < 15)
        await sending
        await eventually(lambda: total() == 2400, seconds=60)
    assert all(len(offsets) == 60 for offsets in effects.values())


async def test_a_partition_too_far_ahead_is_paused_and_goes_on_later(lab: Lab) -> None:
    release = asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        await release.wait()
        await lab.note(records)

    await lab.send(*[("one", str(n)) for n in range(900)])
    async with lab.consuming(handler, partition_unfinished=100, fetch_records=50) as consumer:
        await eventually(lambda: consumer.metrics.paused._value.get() >= 1)
        release.set()
        await eventually(lambda: len(lab.seen) == 900)
    assert lab.values("one") == [str(n) for n in range(900)]
