"""Real processes that send: killed at every chunk, stopped and woken (features E6, E8; reliability 20, 22)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from services.broadcast.tests.sending_process import TOLD
from services.broadcast.tests.sending_rig import Campaign, Rig, rig_on
from shared.mongo import Database
from shared.producer import Record
from shared.testing.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


class Nursery:
    """Makes sending processes, which begin at once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._born: list[int] = []

    async def bear(self) -> int:
        """Return the process id of a new sender."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"go\n")
        self._born.append(int(await stdout.readline()))
        return self._born[-1]

    async def close(self) -> None:
        """Kill all that are left."""
        for pid in self._born:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@pytest.fixture
async def nursery(rig: Rig, mongo_url: str) -> AsyncIterator[Nursery]:
    where = {
        "mongo_url": mongo_url,
        "database_name": rig.database.name,
        "line_url": rig.url,
        "channels_file": str(rig.channels_file),
    }
    command = [sys.executable, "-m", "services.broadcast.tests.sending_process", json.dumps(where)]
    pipe = asyncio.subprocess.PIPE
    nursery = Nursery(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
    yield nursery
    await nursery.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def end(pid: int) -> None:
    """Let a sender end in order."""
    os.kill(pid, signal.SIGTERM)
    await eventually(partial(gone, pid), 20)


async def accepted(rig: Rig, campaign: Campaign) -> int:
    return len(await rig.accepts(campaign))


async def until_accepted(rig: Rig, campaign: Campaign, count: int) -> None:
    async def reached() -> bool:
        return await accepted(rig, campaign) >= count

    await eventually(reached, 20, every=0.005)


async def assert_sent_once(rig: Rig, campaign: Campaign) -> None:
    async for told in rig.database[TOLD].find({}):
        rig.broker.records.append(Record(told["topic"], told["key"].encode(), told["value"].encode()))
    await rig.assert_sent_once(campaign)


async def test_a_campaign_killed_at_every_chunk_reaches_everybody_once(rig: Rig, nursery: Nursery) -> None:
    campaign = await rig.campaign(chunks=12)
    for boundary in range(1, campaign.chunks):
        sender = await nursery.bear()
        await until_accepted(rig, campaign, boundary)
        os.kill(sender, signal.SIGKILL)
        await eventually(partial(gone, sender))
    last = await nursery.bear()
    await rig.until(campaign, seconds=20)
    await end(last)
    await assert_sent_once(rig, campaign)


async def test_a_stopped_sender_that_wakes_up_beside_its_successor_doubles_nothing(rig: Rig, nursery: Nursery) -> None:
    campaign = await rig.campaign(chunks=16)
    sleeper = await nursery.bear()
    await until_accepted(rig, campaign, 3)
    os.kill(sleeper, signal.SIGSTOP)
    successor = await nursery.bear()
    await until_accepted(rig, campaign, await accepted(rig, campaign) + 4)
    os.kill(sleeper, signal.SIGCONT)
    await rig.until(campaign, seconds=20)
    await asyncio.gather(end(sleeper), end(successor))
    await assert_sent_once(rig, campaign)
