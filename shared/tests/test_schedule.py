"""Leases and background loops: one process at a time, whatever becomes of a single run."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from shared.mongo import Database
from shared.schedule import COLLECTION, Lease, repeating, repeating_leased
from shared.testing.waiting import eventually


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 8, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.mark.integration
class TestTwoOwners:
    async def test_one_holds_it_and_may_prolong_it(self, database: Database) -> None:
        clock = Clock()
        one, other = (Lease(database, "relay", 10, clock) for _ in range(2))

        assert await one.take()
        assert not await other.take()
        for _ in range(5):
            clock.pass_by(8)
            assert await one.take()
            assert not await other.take()

    async def test_the_other_takes_it_over_once_it_has_run_out(self, database: Database) -> None:
        clock = Clock()
        one, other = (Lease(database, "relay", 10, clock) for _ in range(2))
        await one.take()

        clock.pass_by(10.001)

        assert await other.take()
        assert not await one.take()

    async def test_given_back_it_is_free_at_once(self, database: Database) -> None:
        clock = Clock()
        one, other = (Lease(database, "relay", 10, clock) for _ in range(2))
        await one.take()

        await one.give_back()

        assert await other.take()

    async def test_nobody_gives_back_what_another_holds(self, database: Database) -> None:
        clock = Clock()
        one, other = (Lease(database, "relay", 10, clock) for _ in range(2))
        await one.take()
        clock.pass_by(11)
        await other.take()

        await one.give_back()

        assert not await one.take()

    async def test_of_many_at_once_one_gets_it(self, database: Database) -> None:
        clock = Clock()
        for _ in range(3):
            leases = [Lease(database, "relay", 10, clock) for _ in range(8)]
            assert sum(await asyncio.gather(*(lease.take() for lease in leases))) == 1
            clock.pass_by(11)

    async def test_a_taking_that_was_cancelled_does_not_outlive_the_giving_back(self, database: Database) -> None:
        lease = Lease(database, "relay", 10)
        for _ in range(20):
            taking = asyncio.create_task(lease.take())
            await asyncio.sleep(0)
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            await lease.give_back()
        assert await database[COLLECTION].find_one({"_id": "relay"}) is None

    async def test_leases_of_different_names_are_different(self, database: Database) -> None:
        clock = Clock()

        assert await Lease(database, "relay", 10, clock).take()
        assert await Lease(database, "reports", 10, clock).take()

    async def test_a_loop_runs_in_one_process_until_that_one_leaves(self, database: Database) -> None:
        runs = {"one": 0, "other": 0}

        async def one() -> None:
            runs["one"] += 1

        async def other() -> None:
            runs["other"] += 1

        async with repeating_leased(Lease(database, "relay", 30), "other", 0.01, other):
            await eventually(lambda: runs["other"] > 2)
            async with repeating_leased(Lease(database, "relay", 30), "one", 0.01, one):
                seen = runs["other"]
                await eventually(lambda: runs["other"] > seen + 5)
                assert runs["one"] == 0
        assert await database[COLLECTION].find_one({"_id": "relay"}) is None


async def test_a_failing_run_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0

    async def step() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise KeyError("a bug")

    with caplog.at_level(logging.WARNING, "shared.schedule"):
        async with repeating("counting", 0.01, step):
            await eventually(lambda: runs >= 3)

    assert [record.getMessage() for record in caplog.records] == ["a background step failed"]


async def test_leaving_ends_a_run_under_way() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with repeating("waiting", 0.01, step):
        await started.wait()

    assert ended.is_set()
