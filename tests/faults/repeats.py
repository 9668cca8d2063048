"""Scenarios of repeats, of one contact that sends nearly everything, and of LINE's own bad days."""

from __future__ import annotations

import asyncio

from tests.faults.runner import Scenario
from tests.faults.stage import Stage
from tests.faults.traffic import COFFEE, Shape


async def parallel_copies(stage: Stage, events: int = 300) -> None:
    """Every body twice at the same moment, to two processes of ingest."""
    await stage.traffic.run(Shape(events=events, repeated=1.0))
    stage.note()


async def captured_bodies(stage: Stage) -> None:
    """Bodies that somebody captured are sent once more, byte for byte, when all is over; then again."""
    await stage.traffic.run(Shape(events=200, each=2))
    for _ in range(2):
        await stage.traffic.again(0.7)
        stage.note()


async def hot_contact(stage: Stage) -> None:
    """One contact sends 90 % of the messages, and a process of each consumer dies meanwhile."""
    hot = Shape(events=500, per_second=100, follows=0.02, words=0.1, hot=0.9, talkers=30, channels=(COFFEE,))
    async with stage.traffic.under_way(hot):
        for service in ("binding", "ticketing", "insights"):
            stage.kill(stage.random_replica(service))
            await asyncio.sleep(stage.chance.uniform(0.2, 1.0))


async def mixed_accounts(stage: Stage) -> None:
    """Two accounts, bursts and steady traffic at once, bodies of one and of several events, repeats."""
    async with asyncio.TaskGroup() as tasks:
        for shape in (Shape(events=150), Shape(events=150, per_second=40, each=3), Shape(events=100, hot=0.5)):
            tasks.create_task(stage.traffic.run(shape))
    stage.note()


async def line_hangs_up(stage: Stage) -> None:
    """LINE accepts a third of the replies and pushes and ends the connection, and is out of order for another."""
    async with stage.line_fault("reply", "accept_then_reset", probability=0.3):
        await stage.spine.tell("POST", "/faults", {"api": "reply", "kind": "500", "probability": 0.2, "seed": 5})
        await stage.spine.tell("POST", "/faults", {"api": "push", "kind": "accept_then_reset", "probability": 0.3})
        await stage.traffic.run(Shape(events=200, per_second=60))
        await asyncio.sleep(2)


async def line_and_deaths(stage: Stage, events: int = 200) -> None:
    """LINE hangs up on replies while the processes that send them die."""
    traffic = stage.traffic.under_way(Shape(events=events, per_second=40))
    async with stage.line_fault("reply", "accept_then_reset", probability=0.3), traffic:
        for service in ("binding", "ticketing", "binding"):
            stage.kill(stage.random_replica(service))
            await asyncio.sleep(1)


SCENARIOS = (
    Scenario("copies", "every body twice at once, to two processes", parallel_copies),
    Scenario("captured", "captured bodies sent again, twice", captured_bodies),
    Scenario("hot", "one contact sends 90 %, consumers killed", hot_contact),
    Scenario("accounts", "two accounts, bursts and steady traffic mixed", mixed_accounts),
    Scenario("line", "LINE accepts and hangs up, or answers 500", line_hangs_up),
    Scenario("line-deaths", "LINE hangs up while senders are killed", line_and_deaths),
)
