"""Kafka's side: logs of partitions; a consumer group's coordinator with generations, sessions, fenced commits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from tests.simulation.loop import START
from tests.simulation.world import World


class Stored(NamedTuple):
    """A record in a partition, as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Joined(NamedTuple):
    """What a member learns when a generation begins."""

    member: str
    generation: int
    partitions: tuple[TopicPartition, ...]
    committed: Mapping[TopicPartition, int]


class Log:
    """Topics and what is in them."""

    def __init__(self, world: World, partitions: Mapping[str, int]) -> None:
        self._world = world
        self.partitions = {
            TopicPartition(topic, number): list[Stored]()
            for topic, count in partitions.items()
            for number in range(count)
        }
        self._counts = partitions
        self.listeners: list[Callable[[], None]] = []

    def place(self, topic: str, key: bytes | None) -> TopicPartition:
        """Return the partition of a key."""
        return TopicPartition(topic, sum(key or b"") % self._counts[topic])

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        """Store a record."""
        place = self.place(topic, key)
        records = self.partitions[place]
        at = int((START + self._world.now) * 1000)
        records.append(Stored(topic, place.partition, len(records), at, key, value, tuple(headers)))
        self._world.note("log", topic, place.partition, len(records) - 1)
        for listener in self.listeners:
            listener()


@dataclass
class Member:
    """A member of the group, as the coordinator knows it."""

    seen: float
    joining: asyncio.Future[Joined] | None = None
    partitions: tuple[TopicPartition, ...] = ()


Judge = Callable[[TopicPartition, int, int], None]
"""Told of each commit before it counts: where, the offset that was committed, the one that is."""


@dataclass
class Group:
    """A group's coordinator: eager rebalances, as aiokafka's."""

    world: World
    partitions: tuple[TopicPartition, ...]
    session: float
    rebalance: float
    judge: Judge
    generation: int = 0
    stable: bool = True
    members: dict[str, Member] = field(default_factory=dict)
    committed: dict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))
    _deadline: float = 0.0
    _names: int = 0

    def join(self, name: str) -> asyncio.Future[Joined]:
        """Join, or join again; answered when the next generation begins."""
        if name not in self.members:
            self._names += 1
            name = f"m{self._names}"
            self.members[name] = Member(self.world.now)
        member = self.members[name]
        if member.joining is None or member.joining.done():
            member.joining = self.world.loop.create_future()
        if self.stable:
            self._begin()
        waiting = member.joining
        self._complete_if_all()
        return waiting

    def _begin(self) -> None:
        self.stable = False
        self._deadline = self.world.now + self.rebalance
        self.world.counts["rebalances"] += 1

    def _complete_if_all(self) -> None:
        if not self.stable and all(member.joining is not None for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        self.members = {name: member for name, member in self.members.items() if member.joining is not None}
        self.stable = True
        self.generation += 1
        names = list(self.members)
        self.world.note("generation", self.generation, *names)
        for index, name in enumerate(names):
            member = self.members[name]
            member.partitions = self.partitions[index :: len(names)]
            member.seen = self.world.now
            committed = {tp: self.committed[tp] for tp in member.partitions}
            waiting, member.joining = member.joining, None
            assert waiting is not None
            waiting.set_result(Joined(name, self.generation, member.partitions, committed))

    def heartbeat(self, name: str, generation: int) -> str:
        """Say `ok`, `rebalance` or `unknown`."""
        member = self.members.get(name)
        if member is None or (self.stable and generation != self.generation):
            return "unknown"
        member.seen = self.world.now
        return "ok" if self.stable else "rebalance"

    def leave(self, name: str) -> None:
        """Leave at once."""
        if self.members.pop(name, None) is not None and self.members:
            if self.stable:
                self._begin()
            self._complete_if_all()

    def look(self) -> None:
        """Throw out who was silent for a session, or did not join in time; called every half second."""
        now = self.world.now
        for name, member in list(self.members.items()):
            if "broker" in self.world.down:
                member.seen = now
            elif member.joining is None and now - member.seen > self.session:
                self.world.counts["sessions expired"] += 1
                self.world.note("expired", name)
                self.leave(name)
        if not self.stable and now > self._deadline:
            self._complete()

    def commit(self, name: str, generation: int, offsets: Mapping[TopicPartition, int]) -> None:
        """Keep offsets of a member of this generation.

        Raises:
            CommitFailedError: it is none.
        """
        if name not in self.members or generation != self.generation:
            self.world.counts["commits refused"] += 1
            raise CommitFailedError
        for tp, offset in offsets.items():
            self.judge(tp, self.committed[tp], offset)
            self.committed[tp] = offset
        self.world.counts["commits"] += 1
