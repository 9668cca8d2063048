"""The faults that break most, small: real processes killed, frozen and stopped under traffic, judged by the oracle.
`make faults` plays all of them, longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from shared.testing.spine import Spine
from tests.faults import crash_points, deaths, repeats, servers
from tests.faults.observer import Observer, observing
from tests.faults.runner import Scenario, run
from tests.faults.stage import Stage, prepare
from tests.faults.traffic import Shape

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SEED = 1


async def both_servers_stopped(stage: Stage) -> None:
    """The store and then Kafka are stopped and started under load."""
    async with stage.traffic.under_way(Shape(events=120, per_second=40, each=2)):
        for name in ("mongo", "kafka"):
            async with stage.stopped(name):
                await asyncio.sleep(1)
    servers.refused_in_time(stage)


async def frozen_past_the_session(stage: Stage) -> None:
    """A binding loses its partitions while it is frozen, and wakes up beside their new owner; every body comes twice at
    once, to two processes of ingest."""
    async with stage.traffic.under_way(Shape(events=120, per_second=60, repeated=1.0)):
        with stage.frozen("binding-1"):
            await asyncio.sleep(deaths.SESSION_SECONDS + 1)


SHORT = (
    Scenario("short-deaths", "kill -9 one process of every service", partial(deaths.one_of_each_killed, events=150)),
    Scenario("short-zombie", "every body twice at once, a binding frozen past its session", frozen_past_the_session),
    Scenario("short-servers", "store, then broker stopped and started", both_servers_stopped),
    Scenario("short-full", "line.events refuses every write", partial(servers.disk_full, events=80, seconds=1.5)),
    Scenario(
        "short-letters",
        "a poisoned record, dead letters refused",
        partial(servers.dead_letters_refused, events=60),
    ),
    Scenario("short-line", "LINE hangs up while senders are killed", partial(repeats.line_and_deaths, events=100)),
    Scenario(
        "short-points",
        "binding dies before it can note that LINE accepted a greeting",
        crash_points.at_each_step("binding", crash_points.FOLLOW, ("after LINE POST reply #1",)),
    ),
)


@pytest_asyncio.fixture
async def observer(spine: Spine) -> AsyncIterator[Observer]:
    if not (spine.owns("kafka") and spine.owns("mongo")):
        pytest.skip("KAFKA_URL or MONGO_URL was given: not ours to stop")
    await prepare(spine)
    async with observing(spine) as observer:
        yield observer


@pytest.mark.parametrize("scenario", SHORT, ids=lambda scenario: scenario.name)
async def test_nothing_is_lost_and_nothing_comes_twice(scenario: Scenario, spine: Spine, observer: Observer) -> None:
    row = await run(scenario, spine, observer, SEED)
    assert (row.lost, row.twice, row.failure) == (0, 0, None), row.differences
    assert row.injected > 0
    assert row.effects >= row.accepted > 0
