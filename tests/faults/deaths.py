"""Scenarios in which processes of the services die, freeze, leave, come back or meet a zombie."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from functools import partial

import httpx

from shared.testing.waiting import eventually
from tests.faults.runner import Scenario
from tests.faults.stage import Stage
from tests.faults.traffic import Shape

SESSION_SECONDS = 10.0
"""How long Kafka waits for a consumer's heartbeat (`ConsumerOptions.session_timeout_ms`)."""
GRACE_SECONDS = 30.0
"""A process must have ended so long after SIGTERM (drain 20 s and closing)."""
STEADY = Shape(events=400, per_second=60)


async def _kill_each(stage: Stage, services: Sequence[str], shape: Shape, pause: float) -> None:
    async with stage.traffic.under_way(shape):
        for service in services:
            stage.kill(stage.random_replica(service))
            await asyncio.sleep(stage.chance.uniform(0, pause))


async def one_of_each_killed(stage: Stage, events: int = 250) -> None:
    """One process of every service dies, one after the other, within two seconds."""
    services = ["ingest", "binding", "ticketing", "insights", "broadcast"]
    stage.chance.shuffle(services)
    await _kill_each(stage, services, Shape(events=events, per_second=60), 0.5)


async def killed_again_and_again(stage: Stage) -> None:
    """The consumers die in mid-batch, eight times at random."""
    picked = [stage.chance.choice(["binding", "ticketing", "insights"]) for _ in range(8)]
    await _kill_each(stage, picked, Shape(events=600, per_second=40), 2.0)


async def all_of_a_service_killed(stage: Stage) -> None:
    """Both processes of each consumer die at once."""
    async with stage.traffic.under_way(STEADY):
        for service in ("binding", "ticketing", "insights"):
            for replica in range(len(stage.spine.facts["replicas"][service])):
                stage.kill(f"{service}-{replica + 1}")
            await asyncio.sleep(stage.chance.uniform(0.5, 1.5))


async def killed_before_the_broker_answers(stage: Stage) -> None:
    """The broker stalls, ingest is killed with events on their way; nobody saw a 200, all are delivered again."""
    async with stage.traffic.under_way(Shape(events=200, per_second=80, each=3)):
        with stage.frozen("kafka"):
            await asyncio.sleep(0.6)
            for number in range(len(stage.spine.facts["replicas"]["ingest"])):
                stage.kill(f"ingest-{number + 1}")


async def members_come_and_go(stage: Stage) -> None:
    """A third binding and a third insights join and leave under load: partitions move while handlers work."""
    async with stage.traffic.under_way(Shape(events=500, per_second=40)):
        async with stage.another("binding"), stage.another("insights"):
            stage.note()
            await asyncio.sleep(1)
        stage.note()
        async with stage.another("ticketing") as third:
            await asyncio.sleep(1)
            third.signal(signal.SIGTERM)
            await third.wait(GRACE_SECONDS)
        stage.note()


async def zombies(stage: Stage) -> None:
    """A process of each consumer is frozen for longer than its session, loses its partitions, and wakes up."""
    async with stage.traffic.under_way(Shape(events=300, per_second=60)):
        names = [stage.random_replica(service) for service in ("binding", "ticketing", "insights")]
        with stage.frozen(names[0]), stage.frozen(names[1]), stage.frozen(names[2]):
            await asyncio.sleep(SESSION_SECONDS + 3)
            await stage.traffic.run(Shape(events=60))


async def terminated_under_load(stage: Stage) -> None:
    """Every service in turn gets SIGTERM under load, finishes or hands back, and is gone within its grace period."""
    async with stage.traffic.under_way(Shape(events=600, per_second=60)):
        for service in ("ingest", "binding", "ticketing", "insights", "broadcast"):
            async with stage.stopped(stage.random_replica(service)) as seconds:
                if seconds > GRACE_SECONDS:
                    raise AssertionError(f"{service} took {seconds:.0f} s to end after SIGTERM")


async def started_without_servers(stage: Stage) -> None:
    """Services start before Kafka and the store are there: alive, not ready, no crash loop; then all goes on."""
    services = [f"{name}-1" for name in ("ingest", "binding", "ticketing", "insights", "broadcast")]
    async with stage.stopped("kafka", "mongo"):
        async with stage.stopped(*services):
            pass
        before = stage.spine.stack.supervisor.states()
        for name in services:
            service = name.removesuffix("-1")
            await eventually(partial(_answers, stage, service, "live"), seconds=60, every=0.3)
            if await _answers(stage, service, "ready"):
                raise AssertionError(f"{name} says that it is ready without servers")
        await asyncio.sleep(3)
        after = stage.spine.stack.supervisor.states()
        if died := [name for name in services if after[name].deaths > before[name].deaths]:
            raise AssertionError(f"ended while they waited for the servers: {', '.join(died)}")
    await stage.until_ready()
    await stage.traffic.run(Shape(events=60))


async def _answers(stage: Stage, service: str, what: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await stage.spine.http.get(f"{stage.spine.ops(service)}/health/{what}")).status_code == 200
    return False


SCENARIOS = (
    Scenario("one-of-each", "kill -9 one process of every service", one_of_each_killed),
    Scenario("again-and-again", "kill -9 consumers, eight times at random", killed_again_and_again),
    Scenario("whole-service", "kill -9 all processes of each consumer", all_of_a_service_killed),
    Scenario("before-ack", "broker frozen, ingest killed before it answers", killed_before_the_broker_answers),
    Scenario("rebalance", "members join and leave under load", members_come_and_go),
    Scenario("zombies", "consumers frozen past their session, then woken", zombies),
    Scenario("sigterm", "SIGTERM to every service under load", terminated_under_load),
    Scenario("no-servers", "services start before Kafka and the store", started_without_servers),
)
