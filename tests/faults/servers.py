"""Scenarios in which Kafka or the store is stalled, stopped, killed, full, or loses connections."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

from shared.testing.waiting import eventually
from shared.topics import LINE_EVENTS, dlq_topic
from tests.faults.kafka_side import committed, publish
from tests.faults.proxy import Proxy
from tests.faults.runner import Scenario
from tests.faults.stage import Stage
from tests.faults.traffic import COFFEE, Shape, made_id

LATE_SECONDS = 1.5
"""Ingest must have given up on the broker by then (LINE gives up on ingest after two seconds)."""
SLACK_SECONDS = 0.4
"""For a busy machine."""
END_SECONDS = 40.0


def refused_in_time(stage: Stage) -> None:
    """Every refusal came before LINE would have given up on the answer; there was one."""
    slowest = stage.ledger.slowest.get(503)
    if slowest is None:
        raise AssertionError("nothing was refused: the fault did not bite")
    if slowest > LATE_SECONDS + SLACK_SECONDS:
        raise AssertionError(f"a 503 took {slowest:.2f} s")


async def broker_stalled(stage: Stage) -> None:
    """The broker is frozen for six seconds: 503 in time, and everything redelivered is there once."""
    async with stage.traffic.under_way(Shape(events=300, per_second=50, given_up=0.2)):
        with stage.frozen("kafka"):
            await asyncio.sleep(6)
    refused_in_time(stage)


async def broker_restarted(stage: Stage) -> None:
    """The broker is stopped and started while bodies of five events come in."""
    async with stage.traffic.under_way(Shape(events=600, per_second=60, each=5)), stage.stopped("kafka"):
        await asyncio.sleep(2)
    refused_in_time(stage)


async def broker_killed(stage: Stage) -> None:
    """The broker dies twice in mid-traffic, bodies of five events on their way; the supervisor starts it again."""
    async with stage.traffic.under_way(Shape(events=600, per_second=60, each=5)):
        stage.kill("kafka")
        await asyncio.sleep(8)
        stage.kill("kafka")


async def disk_full(stage: Stage, events: int = 200, seconds: float = 4) -> None:
    """Kafka refuses every write to line.events alone, as with a full disk or a quota; then it takes them again."""
    async with stage.traffic.under_way(Shape(events=200, per_second=50)), stage.refusing(LINE_EVENTS):
        await asyncio.sleep(4)
    refused_in_time(stage)


async def dead_letters_refused(stage: Stage, events: int = 150) -> None:
    """A record that nobody can read, while dlq.* refuse it: nothing behind it is committed; then it is a letter."""
    services = ("binding", "insights", "ticketing")
    kafka = stage.spine.facts["kafka"]
    key = f"{COFFEE}:U{made_id(stage.name, stage.seed, length=32).lower()}".encode()
    async with AsyncExitStack() as refusals:
        for service in services:
            await refusals.enter_async_context(stage.refusing(dlq_topic(service)))
        partition, offset = await publish(kafka, LINE_EVENTS, key, b"{not json")
        await stage.traffic.run(Shape(events=events))
        await asyncio.sleep(2)
        for service in services:
            done = await committed(kafka, service, LINE_EVENTS, partition)
            if done > offset:
                raise AssertionError(f"{service} committed {done}, past the unwritten letter at {offset}")
    stage.expected_letters = len(services)


async def store_restarted(stage: Stage) -> None:
    """The store is stopped cleanly and started again under load."""
    async with stage.traffic.under_way(Shape(events=400, per_second=60)), stage.stopped("mongo"):
        await eventually(lambda: _unready(stage), seconds=30, every=0.2)
        await asyncio.sleep(1)


async def _unready(stage: Stage) -> bool:
    return not await stage.spine.is_ready("binding") and not await stage.spine.is_ready("insights")


async def store_stalled(stage: Stage) -> None:
    """The store is frozen for four seconds."""
    async with stage.traffic.under_way(Shape(events=300, per_second=60)):
        with stage.frozen("mongo"):
            await asyncio.sleep(4)


async def store_connections_cut(stage: Stage) -> None:
    """Connections to the store are cut after the request went through and before its answer: nobody knows whether it
    was written. The consumers run behind such a proxy alone."""
    services = ("binding", "insights", "ticketing")
    usual = [f"{service}-{n + 1}" for service in services for n in range(len(stage.spine.facts["replicas"][service]))]
    async with Proxy(*_store(stage), stage.chance) as proxy, stage.stopped(*usual), AsyncExitStack() as running:
        url = f"mongodb://{proxy.address}"
        processes = [await running.enter_async_context(stage.another(name, MONGO_URL=url)) for name in services]
        proxy.delay, proxy.cut_answers = 0.002, 0.02
        await stage.traffic.run(Shape(events=300, per_second=40))
        proxy.reset_all()
        await asyncio.sleep(3)
        proxy.cut_answers = 0.0
        for process in processes:
            process.signal(signal.SIGTERM)
        for process in processes:
            await process.wait(END_SECONDS)
    if not proxy.cuts:
        raise AssertionError("no answer was cut")
    stage.injected += proxy.cuts


def _store(stage: Stage) -> tuple[str, int]:
    host, _, port = stage.spine.facts["mongo"].removeprefix("mongodb://").partition(":")
    return host, int(port)


async def store_answers_late(stage: Stage) -> None:
    """Binding reaches the store through a line that adds a fifth of a second to every answer."""
    async with Proxy(*_store(stage), stage.chance) as proxy:
        proxy.delay = 0.2
        async with stage.another("binding", MONGO_URL=f"mongodb://{proxy.address}"):
            await stage.traffic.run(Shape(events=150, per_second=40))
            stage.note()


SCENARIOS = (
    Scenario("broker-stalled", "broker frozen for 6 s", broker_stalled),
    Scenario("broker-restarted", "broker stopped and started, bodies of 5 events", broker_restarted),
    Scenario("broker-killed", "broker killed twice, bodies of 5 events", broker_killed),
    Scenario("disk-full", "line.events refuses every write for 4 s", disk_full),
    Scenario("letters-refused", "a poisoned record while dead letters are refused", dead_letters_refused),
    Scenario("store-restarted", "store stopped and started", store_restarted),
    Scenario("store-stalled", "store frozen for 4 s", store_stalled),
    Scenario("store-cut", "answers of the store cut off after the write", store_connections_cut),
    Scenario("store-late", "answers of the store 0.2 s late for one binding", store_answers_late),
)
