"""Consumers as processes that end, come back, freeze and meet a mountain of records, on real servers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.consumer import ConsumerOptions
from shared.mongo import Database
from shared.producer import Producer
from shared.producer import Record as Outgoing
from shared.testing.waiting import eventually
from tests.integration.consumer_lab import SESSION_MS, Lab

pytestmark = pytest.mark.integration

GRACE_SECONDS = 30.0
"""How long a process may take to end after SIGTERM (drain 20 s, closing)."""
MOUNTAIN = 120_000
RECORD_BYTES = 1024
GROWTH_BYTES = 80 * 1024 * 1024
"""What taking in may cost: 20,000 unfinished records of 1 KB and what the client has fetched ahead."""


class Member:
    """A consuming process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.consuming_process"],
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
            )

    @property
    def status(self) -> dict[str, float]:
        """What it last said of itself; zeros before."""
        lines = self._log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        nothing = dict.fromkeys(("partitions", "rebalances", "unfinished", "paused", "started"), 0.0)
        return nothing | (json.loads(lines[-1]) if lines else {})

    @property
    def memory(self) -> int:
        """Its resident memory in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end, as long as a supervisor would."""
        return await asyncio.to_thread(self.process.wait, GRACE_SECONDS)


class Processes:
    """Starts members of a lab's group; ends what is left of them."""

    def __init__(self, lab: Lab, mongo_url: str, database: Database, folder: Path) -> None:
        self.lab = lab
        self.database = database
        self._environment = {"KAFKA_URL": lab.kafka_url, "MONGO_URL": mongo_url, "DATABASE": database.name}
        self._environment |= {"TOPIC": lab.topic, "GROUP": lab.group}
        self._folder = folder
        self._members: list[Member] = []

    def start(self, *, instance: str = "", record: float = 0.0, session_ms: int = 6000, effects: bool = True) -> Member:
        """Start a member; `record` is what handling one record takes, in seconds."""
        settings = {"INSTANCE": instance, "RECORD_SECONDS": str(record), "SESSION_MS": str(session_ms)}
        settings["EFFECTS"] = "1" if effects else "0"
        member = Member(self._environment | settings, self._folder / f"{len(self._members)}.log")
        self._members.append(member)
        return member

    def end(self) -> None:
        """Kill what still runs."""
        for member in self._members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()

    async def effects(self) -> dict[str, list[int]]:
        """Return the offsets whose effects are stored, by key, in the order they were applied."""
        found: dict[str, list[int]] = {
            effect["_id"]: effect["applied"] async for effect in self.database["effects"].find({})
        }
        return found

    async def done(self) -> int:
        """Return how many effects are stored."""
        return sum(len(applied) for applied in (await self.effects()).values())

    async def refused(self) -> list[dict[str, Any]]:
        """Return the effects that the guard refused."""
        return [refusal async for refusal in self.database["refused"].find({})]


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


@pytest.fixture
def processes(lab: Lab, mongo_url: str, database: Database, tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(lab, mongo_url, database, tmp_path)
    yield processes
    processes.end()


def records(keys: int, each: int) -> list[tuple[str, str]]:
    return [(f"k{key}", str(number)) for number in range(each) for key in range(keys)]


async def all_once(processes: Processes, keys: int, each: int) -> None:
    """Wait until every effect is there and committed, and check that none is there twice."""

    async def complete() -> bool:
        return await processes.done() >= keys * each

    async def committed() -> bool:
        return sum((await processes.lab.committed()).values()) == keys * each

    await eventually(complete)
    await eventually(committed)
    for applied in (await processes.effects()).values():
        assert len(applied) == each == len(set(applied))
        assert applied == sorted(applied)


async def test_a_static_member_that_is_stopped_or_killed_comes_back_to_its_work_without_a_rebalance(
    processes: Processes,
) -> None:
    lab = processes.lab
    other, mine = processes.start(instance="other", record=0.1), processes.start(instance="mine", record=0.1)
    await eventually(lambda: 0 < mine.status["partitions"] < 9 and 0 < other.status["partitions"] < 9)
    seen = other.status["rebalances"]

    await lab.send(*records(12, 10))
    await eventually(lambda: mine.status["started"] > 0)
    mine.send(signal.SIGTERM)
    assert await mine.ended() == 0
    back = processes.start(instance="mine", record=0.02)
    await eventually(lambda: back.status["partitions"] > 0)
    await all_once(processes, 12, 10)
    assert sum(member.status["started"] for member in (other, mine, back)) == 120

    back.send(signal.SIGKILL)
    await back.ended()
    again = processes.start(instance="mine")
    await lab.send(*records(12, 1))
    await all_once(processes, 12, 11)
    assert again.status["partitions"] == mine.status["partitions"]
    assert other.status["rebalances"] == seen


async def test_a_member_frozen_past_its_session_does_nothing_twice_when_it_wakes(processes: Processes) -> None:
    lab = processes.lab
    await lab.send(*records(6, 3))
    zombie = processes.start(record=0.7, session_ms=SESSION_MS)
    await eventually(lambda: zombie.status["started"] >= 6)
    zombie.send(signal.SIGSTOP)
    heir = processes.start(session_ms=SESSION_MS)
    await all_once(processes, 6, 3)
    committed = await lab.committed()

    zombie.send(signal.SIGCONT)
    await eventually(processes.refused)
    await eventually(lambda: zombie.status["partitions"] < 9 and heir.status["partitions"] < 9)
    await lab.send(*records(6, 1))
    await all_once(processes, 6, 4)
    later = await lab.committed()
    assert all(later[partition] >= offset for partition, offset in committed.items())


async def test_a_mountain_of_records_before_a_slow_handler_costs_no_more_memory_than_its_caps(
    processes: Processes,
) -> None:
    lab, body = processes.lab, os.urandom(RECORD_BYTES)
    options = ConsumerOptions("any", lab.kafka_url)
    limit = options.total_unfinished
    for start in range(0, MOUNTAIN, 10_000):
        batch = [Outgoing(lab.topic, str(n % 5000).encode(), body, ()) for n in range(start, start + 10_000)]
        await lab.sender.send_all(batch, timeout=60)

    member = processes.start(record=60, effects=False)
    await eventually(lambda: member.status["partitions"] > 0)
    empty = member.memory
    await eventually(lambda: member.status["paused"] >= 6)
    held = [member.memory]
    for _ in range(10):
        await asyncio.sleep(0.2)
        held.append(member.memory)
        assert limit / 2 < member.status["unfinished"] <= limit + options.fetch_records
    assert max(held) - empty < GROWTH_BYTES
    assert max(held) - held[0] < GROWTH_BYTES / 10
