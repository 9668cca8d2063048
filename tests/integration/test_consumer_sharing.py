"""What a consumer does for others, on the real broker: keys side by side, honest commits, a prompt hand-over."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from statistics import quantiles

import pytest
from prometheus_client import CollectorRegistry

from shared.consumer import BadRecord, Coordinates, Record, WorldDown
from shared.producer import Producer
from shared.testing.waiting import eventually
from tests.integration.consumer_lab import SESSION_MS, Lab, owned, rebalances

pytestmark = pytest.mark.integration

HANDED_OVER_SECONDS = 8.0
"""A hand-over that waits for nothing takes a heartbeat; one that waits the drain out takes 20 s."""
NOISE_SECONDS = 0.05
"""What a busy machine adds to a record that takes 20 ms; whoever waits for the key that stands still never ends."""


@pytest.fixture
async def lab(kafka_url: str) -> AsyncIterator[Lab]:
    sender = Producer(kafka_url, "test", registry=CollectorRegistry())
    await sender.start()
    lab = Lab(kafka_url, sender)
    try:
        await lab.prepare()
        yield lab
    finally:
        await sender.close()


def p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[-1]


async def test_while_one_key_stands_still_the_others_are_as_quick_as_before_and_no_commit_passes_it(lab: Lab) -> None:
    release, at_once, finished = asyncio.Event(), Counter[str](), Counter[int]()
    took: list[float] = []
    stuck: list[Coordinates] = []

    async def handler(records: Sequence[Record]) -> None:
        if records[0].key == b"slow":
            stuck.append(records[0].at)
            await release.wait()
            return
        at_once["now"] += 1
        at_once["most"] = max(at_once["most"], at_once["now"])
        await asyncio.sleep(0.02)
        at_once["now"] -= 1
        finished.update(record.at.partition for record in records)
        took.extend(time.time() - float(record.value or b"") for record in records)

    async def seconds_of(prefix: str) -> list[float]:
        took.clear()
        for round_ in range(15):
            await lab.send(*[(f"{prefix}{number}.{round_ % 3}", str(time.time())) for number in range(20)])
            await asyncio.sleep(0.05)
        await eventually(lambda: len(took) == 300)
        return list(took)

    async with lab.consuming(handler, drain_seconds=2):
        await lab.send(("warm", str(time.time())))
        await eventually(lambda: len(took) == 1)
        idle = p99(await seconds_of("idle"))
        await lab.send(*[("slow", "-")] * 200)
        await eventually(lambda: stuck)

        async def as_quick() -> bool:
            return p99(await seconds_of("beside")) <= 2 * max(idle, NOISE_SECONDS)

        for _ in range(3):
            if quick := await as_quick():
                break
        assert quick
        assert at_once["most"] >= 10

        at = stuck[0]

        async def others_committed() -> bool:
            offsets = await lab.committed()
            assert offsets.get(at.partition, 0) <= at.offset
            return all(offsets.get(other) == count for other, count in finished.items() if other != at.partition)

        await eventually(others_committed)
        release.set()

        async def all_committed() -> bool:
            return sum((await lab.committed()).values()) == sum(finished.values()) + 200

        await eventually(all_committed)


async def test_a_member_may_drain_for_longer_than_its_session_and_nothing_in_its_work_is_done_twice(lab: Lab) -> None:
    done, began = Counter[str](), asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        began.set()
        await asyncio.sleep(2 * SESSION_MS / 1000)
        done.update((record.value or b"").decode() for record in records)

    async def quick(records: Sequence[Record]) -> None:
        done.update((record.value or b"").decode() for record in records)

    await lab.send(*[(f"k{number}", str(number)) for number in range(40)])
    async with lab.consuming(handler, drain_seconds=10) as first:
        await began.wait()
        (member,) = await lab.members()
        async with lab.consuming(quick) as second:
            await eventually(lambda: owned(second) > 0)
            assert member in await lab.members()
            await eventually(lambda: len(done) == 40)
            assert (rebalances(first), rebalances(second)) == (2, 1)
    assert set(done.values()) == {1}
    assert sum((await lab.committed()).values()) == 40


async def test_while_the_world_is_down_a_member_keeps_its_place_and_loses_nothing(lab: Lab) -> None:
    away, waited = True, Counter[str]()
    done: list[str] = []

    async def handler(records: Sequence[Record]) -> None:
        if away:
            waited["attempts"] += 1
            raise WorldDown("the store is away")
        done.extend((record.value or b"").decode() for record in records)

    await lab.send(*[(f"k{number % 10}", str(number)) for number in range(100)])
    async with lab.consuming(handler, max_poll_interval_ms=2000) as first:
        await eventually(lambda: waited["attempts"] > 0)
        before = await lab.members()
        await asyncio.sleep(2 * SESSION_MS / 1000 + 1)
        assert before == await lab.members() != {}
        assert rebalances(first) == 1
        assert await lab.committed() == {}

        joining = time.monotonic()
        async with lab.consuming(handler) as second:
            await eventually(lambda: owned(second) > 0 and rebalances(first) == 2)
            assert time.monotonic() - joining < HANDED_OVER_SECONDS
            away = False
            await eventually(lambda: len(done) == 100)
    for key in range(10):
        assert [value for value in done if int(value) % 10 == key] == [str(n) for n in range(100) if n % 10 == key]
    assert sum((await lab.committed()).values()) == 100


async def test_a_member_whose_breaker_is_open_hands_back_at_once_and_its_records_are_kept(lab: Lab) -> None:
    done = Counter[str]()

    async def bad(_: Sequence[Record]) -> None:
        raise BadRecord("a bad deploy")

    async def good(records: Sequence[Record]) -> None:
        done.update((record.value or b"").decode() for record in records)

    await lab.send(*[(f"k{number}", str(number)) for number in range(60)])
    async with lab.consuming(bad) as consumer:
        await eventually(lambda: consumer.breaker.open)
        leaving = time.monotonic()
    assert time.monotonic() - leaving < HANDED_OVER_SECONDS
    async with lab.consuming(good):
        await eventually(lambda: len(done) > 60 - 20)
    assert set(done.values()) == {1}


async def test_one_member_then_three_then_one_under_load_lose_and_double_nothing_in_few_rebalances(lab: Lab) -> None:
    done, sent = Counter[str](), 0

    async def handler(records: Sequence[Record]) -> None:
        await asyncio.sleep(0.01)
        done.update(f"{(record.key or b'').decode()}:{(record.value or b'').decode()}" for record in records)

    async def load(stop: asyncio.Event) -> None:
        nonlocal sent
        while not stop.is_set():
            await lab.send(*[(f"k{number}", str(sent)) for number in range(30)])
            sent += 1
            await asyncio.sleep(0.03)

    stop = asyncio.Event()
    async with lab.consuming(handler) as first:
        await eventually(lambda: owned(first) > 0)
        sending = asyncio.create_task(load(stop))
        async with lab.consuming(handler) as second, lab.consuming(handler) as third:
            await eventually(lambda: 0 < owned(second) < 9 and 0 < owned(third) < 9 and owned(first) < 9)
            await eventually(lambda: sent > 60)
        await eventually(lambda: owned(first) == 9)
        before = len(done)
        await eventually(lambda: len(done) > before + 60)
        stop.set()
        await sending
        await eventually(lambda: len(done) == 30 * sent)
        assert rebalances(first) <= 6
    assert set(done.values()) == {1}
    assert sum((await lab.committed()).values()) == 30 * sent


async def test_large_records_are_held_by_their_bytes_and_not_by_their_number(lab: Lab) -> None:
    release, body = asyncio.Event(), "x" * 200_000
    done = Counter[str]()

    async def handler(records: Sequence[Record]) -> None:
        await release.wait()
        done.update((record.key or b"").decode() for record in records)

    await lab.send(*[(f"k{number}", body) for number in range(120)])
    async with lab.consuming(handler, total_bytes=2_000_000, fetch_records=5) as consumer:
        await eventually(lambda: consumer.metrics.paused._value.get() == owned(consumer) > 0)
        held = consumer.metrics.unfinished.labels(lab.topic)._value.get()
        assert 10 <= held < 10 + 5
        release.set()
        await eventually(lambda: len(done) == 120)
    assert set(done.values()) == {1}
