"""Anything that may die does, at random, for as long as asked, under steady traffic on both accounts; then the oracle.

The store is frozen or stopped cleanly, never killed; LINE's stand-in is the oracle's memory and stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tests.faults.runner import Scenario
from tests.faults.stage import Stage
from tests.faults.traffic import Shape

PER_SECOND = 8
SERVICES = ("ingest", "binding", "ticketing", "insights", "broadcast")
CALM = (1.0, 6.0)
"""Seconds between two faults, from and to."""

Blow = Callable[[Stage], Awaitable[str]]


async def kill_a_process(stage: Stage) -> str:
    """Kill -9 any process of a service."""
    name = stage.random_replica(stage.chance.choice(SERVICES))
    stage.kill(name)
    return f"killed {name}"


async def kill_two(stage: Stage) -> str:
    """Kill -9 two at once."""
    return f"{await kill_a_process(stage)}, {await kill_a_process(stage)}"


async def freeze_a_process(stage: Stage) -> str:
    """Freeze any process of a service, perhaps past its session."""
    name, seconds = stage.random_replica(stage.chance.choice(SERVICES)), stage.chance.choice([1.0, 4.0, 13.0])
    with stage.frozen(name):
        await asyncio.sleep(seconds)
    return f"froze {name} for {seconds:.0f} s"


async def restart_a_process(stage: Stage) -> str:
    """SIGTERM to any process of a service, which comes back later."""
    name, seconds = stage.random_replica(stage.chance.choice(SERVICES)), stage.chance.uniform(0, 4)
    async with stage.stopped(name):
        await asyncio.sleep(seconds)
    return f"stopped {name} for {seconds:.1f} s"


async def kill_the_broker(stage: Stage) -> str:
    """Kill -9 Kafka."""
    stage.kill("kafka")
    return "killed kafka"


async def freeze_a_server(stage: Stage) -> str:
    """Freeze Kafka or the store."""
    name, seconds = stage.chance.choice(["kafka", "mongo"]), stage.chance.uniform(0.5, 5)
    with stage.frozen(name):
        await asyncio.sleep(seconds)
    return f"froze {name} for {seconds:.1f} s"


async def restart_a_server(stage: Stage) -> str:
    """Stop Kafka or the store cleanly and start it again."""
    name, seconds = stage.chance.choice(["kafka", "mongo"]), stage.chance.uniform(0, 4)
    async with stage.stopped(name):
        await asyncio.sleep(seconds)
    return f"stopped {name} for {seconds:.1f} s"


async def spoil_line(stage: Stage) -> str:
    """LINE accepts and hangs up, or is out of order, for a while."""
    kind = stage.chance.choice(["accept_then_reset", "500", "slow"])
    more = {"delay_ms": 700.0} if kind == "slow" else {}
    async with stage.line_fault("*", kind, probability=0.4, **more):
        await asyncio.sleep(stage.chance.uniform(1, 4))
    return f"LINE: {kind}"


BLOWS: dict[Blow, int] = {
    kill_a_process: 6,
    kill_two: 2,
    freeze_a_process: 3,
    restart_a_process: 3,
    kill_the_broker: 1,
    freeze_a_server: 2,
    restart_a_server: 2,
    spoil_line: 2,
}
"""What happens, by how often."""


def soak(seconds: float) -> Scenario:
    """Return the scenario that goes on for so many seconds."""

    async def play(stage: Stage) -> None:
        began = time.monotonic()
        shape = Shape(events=int(PER_SECOND * seconds), per_second=PER_SECOND, hot=0.2, given_up=0.02, patience=120)
        async with stage.traffic.under_way(shape):
            while (elapsed := time.monotonic() - began) < seconds:
                blow = stage.chance.choices([*BLOWS], [*BLOWS.values()])[0]
                stage.tell(f"{elapsed:6.0f} s  {await blow(stage)}")
                await asyncio.sleep(stage.chance.uniform(*CALM))

    return Scenario("soak", f"anything at random for {seconds:.0f} s", play)
