"""A process's side of Kafka, in the place of FastStream and aiokafka: a subscriber that polls, and the producer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, KafkaError

from shared.producer import BrokerUnavailable, Record
from tests.simulation.broker import Group, Joined, Log, Stored
from tests.simulation.loop import Process
from tests.simulation.world import World

HEARTBEAT = 1.2
FETCHED = 4
"""Records of one fetch at most: small, so that batches are cut in many ways."""


class Coordinator:
    """What the product reads of aiokafka's coordinator."""

    member_id = ""


def _trouble() -> Exception:
    error: Exception = KafkaConnectionError("no answer")
    return error


class Client:
    """A group member: joins, hears of rebalances by heartbeat, fetches, commits."""

    def __init__(
        self,
        world: World,
        process: Process,
        log: Log,
        group: Group,
        listener: ConsumerRebalanceListener,
        feed: Callable[[tuple[Stored, ...]], Awaitable[None]],
    ) -> None:
        self._world, self._process, self._log, self._group = world, process, log, group
        self._listener, self._feed = listener, feed
        self._coordinator = Coordinator()
        self._generation = -1
        self._assigned: tuple[TopicPartition, ...] = ()
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._rejoin = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._log.listeners.append(self._hear)
        self._tasks = [asyncio.create_task(work) for work in (self._belong(), self._beat(), self._poll())]

    async def stop(self) -> None:
        """Leave the group."""
        self._log.listeners.remove(self._hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        name = self._coordinator.member_id
        if name:
            try:
                await self._call("leave", lambda: self._group.leave(name))
            except KafkaError:
                self._world.note(self._process.name, "left without saying so")

    def _call(self, what: str, apply: Callable[[], Any]) -> asyncio.Future[Any]:
        return self._world.call(self._process, "broker", what, apply, _trouble, late=False)

    def _hear(self) -> None:
        self._world.loop.on_server(self._world.rng.choice((0.001, 0.003)), self._news.set)

    async def _belong(self) -> None:
        while True:
            await self._listener.on_partitions_revoked(set(self._assigned))
            self._assigned, self._generation = (), -1
            joined = await self._join()
            self._rejoin.clear()
            self._coordinator.member_id, self._generation = joined.member, joined.generation
            self._positions = dict(joined.committed)
            self._paused.clear()
            self._assigned = joined.partitions
            await self._listener.on_partitions_assigned(set(self._assigned))
            self._news.set()
            await self._rejoin.wait()

    async def _join(self) -> Joined:
        while True:
            name = self._coordinator.member_id
            try:
                async with asyncio.timeout(30):
                    joined: Joined = await self._call("join", partial(self._group.join, name))
                return joined
            except (KafkaError, TimeoutError):
                await asyncio.sleep(0.3)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            name, generation = self._coordinator.member_id, self._generation
            if not name or generation < 0:
                continue
            try:
                answer = await self._call("heartbeat", partial(self._group.heartbeat, name, generation))
            except KafkaError:
                continue
            if generation != self._generation:
                continue
            if answer == "unknown":
                self._coordinator.member_id = ""
            if answer != "ok":
                self._rejoin.set()

    async def _poll(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while batch := self._fetch():
                generation = self._generation
                await asyncio.sleep(self._world.rng.choice((0.001, 0.002, 0.01)))
                if "broker" in self._world.down:
                    await asyncio.sleep(0.3)
                    continue
                if generation != self._generation or self._rejoin.is_set():
                    continue
                for record in batch:
                    self._positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
                await self._feed(batch)

    def _fetch(self) -> tuple[Stored, ...]:
        if self._rejoin.is_set():
            return ()
        found: list[Stored] = []
        most = self._world.rng.randint(1, FETCHED)
        for tp in self._assigned:
            if tp not in self._paused:
                found += self._log.partitions[tp][self._positions[tp] :][: most - len(found)]
        return tuple(found)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit as a member of the generation this client knows.

        Raises:
            IllegalStateError: a partition is not assigned.
            CommitFailedError: the coordinator knows better; the client joins anew.
            KafkaError: no answer; it may count nevertheless.
        """
        if any(tp not in self._assigned for tp in offsets):
            raise IllegalStateError("not assigned")
        name, generation = self._coordinator.member_id, self._generation
        kept = dict(offsets)
        try:
            await self._call("commit", lambda: self._group.commit(name, generation, kept))
        except CommitFailedError:
            if generation == self._generation:
                self._coordinator.member_id = ""
                self._rejoin.set()
            raise

    def pause(self, *tps: TopicPartition) -> None:
        """Fetch nothing of these."""
        self._paused |= set(tps)

    def resume(self, *tps: TopicPartition) -> None:
        """Fetch of these again."""
        self._paused -= set(tps)
        self._news.set()

    def highwater(self, tp: TopicPartition) -> int:
        """Return the offset of the next record to be written."""
        return len(self._log.partitions[tp])


class Subscriber:
    """FastStream's subscriber."""

    def __init__(self, listener: ConsumerRebalanceListener) -> None:
        self.listener = listener
        self.consumer: Client | None = None
        self.feed: Any = None

    def __call__(self, feed: Any) -> None:
        self.feed = feed


class Broker:
    """FastStream's broker."""

    def __init__(self, world: World, process: Process, log: Log, group: Group) -> None:
        self._parts = world, process, log, group
        self._subscriber: Subscriber | None = None

    def subscriber(self, *topics: str, listener: ConsumerRebalanceListener, **options: Any) -> Subscriber:
        """Return the subscriber of the one group there is."""
        self._subscriber = Subscriber(listener)
        return self._subscriber

    async def start(self) -> None:
        """Begin to consume."""
        subscriber = self._subscriber
        assert subscriber is not None
        subscriber.consumer = Client(*self._parts, subscriber.listener, subscriber.feed)
        subscriber.consumer.start()

    async def stop(self) -> None:
        """End."""
        if self._subscriber is not None and self._subscriber.consumer is not None:
            await self._subscriber.consumer.stop()


class Sender:
    """`shared.producer.Producer` as its callers know it: acknowledged, or not known whether, in part or later."""

    def __init__(self, world: World, process: Process, log: Log) -> None:
        self._world, self._process, self._log = world, process, log

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Publish records in order.

        Raises:
            BrokerUnavailable: any of them may be stored, now or later.
        """
        some = self._world.rng.randint(1, len(records)) if len(records) > 1 else 1
        breaks = some < len(records) and self._world.rng.random() < self._world.trouble.get("broker", 0.0)

        def apply() -> None:
            for record in records[:some] if breaks else records:
                self._log.append(*record)
            if breaks:
                self._world.counts["broker in part"] += 1
                raise BrokerUnavailable("the rest was not acknowledged")

        await self._world.call(self._process, "broker", "produce", apply, lambda: BrokerUnavailable("not acknowledged"))
