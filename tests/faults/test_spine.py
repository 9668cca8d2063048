"""Real processes killed and servers stopped in mid-traffic. The oracle: what was answered 200 has its effect exactly
once, by LINE's own accept log and by the counters; what was not, at most once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

COFFEE = "musubi-coffee"
CROWD = 300


async def settled(spine: Spine, users: list[str], adds_before: int) -> None:
    """Assert that every follow had its greeting and its count exactly once."""

    async def all_greeted() -> bool:
        return all(count >= 1 for count in (await spine.greetings(users)).values())

    await eventually(all_greeted, seconds=120, every=0.3)
    await spine.until_idle()
    lost_or_twice = {count: n for count, n in Counter((await spine.greetings(users)).values()).items() if count != 1}
    assert lost_or_twice == {}

    async def counted() -> bool:
        return int((await spine.report(COFFEE, "friends"))["totals"]["adds"]) - adds_before == len(users)

    await eventually(counted, seconds=60, every=0.3)


async def adds(spine: Spine) -> int:
    return int((await spine.report(COFFEE, "friends"))["totals"]["adds"])


@pytest.mark.parametrize("process", ["ingest-1", "binding-1", "binding-2", "insights-1"])
async def test_killing_any_one_process_in_mid_traffic_changes_no_effect(spine: Spine, process: str) -> None:
    users = await spine.people(CROWD)
    before = await adds(spine)
    accepted = len(await spine.accepts())
    await spine.tell("PUT", "/faults/webhooks", {"duplicate_every": 10})
    await spine.crowd(COFFEE, users, "add")

    async def under_way() -> bool:
        return len(await spine.accepts()) >= accepted + CROWD // 10

    await eventually(under_way, every=0.01)
    spine.kill(process)
    await spine.until_ready("ingest", "binding", "insights")
    await settled(spine, users, before)


async def test_while_kafka_is_down_ingest_answers_503_in_time_and_all_recovers_by_itself(spine: Spine) -> None:
    if not spine.owns("kafka"):
        pytest.skip("KAFKA_URL was given: not ours to stop")
    users = await spine.people(40)
    before = await adds(spine)
    spine.stack.supervisor.stop(["kafka"])
    try:
        await spine.crowd(COFFEE, users, "add")
        for _ in range(5):
            started = time.monotonic()
            answer = await spine.post(COFFEE, [{"type": "unknown", "timestamp": 1, "webhookEventId": "not-accepted"}])
            assert answer.status_code == 503
            assert time.monotonic() - started < 1.5
    finally:
        spine.stack.supervisor.start(["kafka"])
    await spine.until_ready("ingest", "binding", "insights")
    await settled(spine, users, before)


async def test_while_the_store_is_down_webhooks_are_taken_and_the_consumers_catch_up(spine: Spine) -> None:
    if not spine.owns("mongo"):
        pytest.skip("MONGO_URL was given: not ours to stop")
    users = await spine.people(100)
    before = await adds(spine)
    await asyncio.to_thread(spine.stack.supervisor.stop, ["mongo"])
    try:
        await spine.crowd(COFFEE, users, "add")
        delivered = await spine.ask("/deliveries", wait=30)
        assert delivered["pending"] == 0
        await eventually(lambda: _unready(spine), seconds=30)
        assert await spine.greetings(users) == dict.fromkeys(users, 0)
    finally:
        await asyncio.to_thread(spine.stack.supervisor.start, ["mongo"])
    await spine.until_ready("ingest", "binding", "insights")
    await settled(spine, users, before)


async def _unready(spine: Spine) -> bool:
    return not await spine.is_ready("binding") and not await spine.is_ready("insights")
