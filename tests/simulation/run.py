"""Playing the schedule of a seed."""

from __future__ import annotations

import contextlib
import gc
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import shared.answers.courier
import shared.clock
import shared.consumer.attempts
import shared.consumer.consumer
import shared.consumer.partitions
import shared.ids
import shared.line.transport
import shared.outbox
import shared.schedule
from shared.consumer import Consumer
from shared.consumer.records import EVENT_ID
from shared.topics import LINE_SENT, dlq_topic, retry_topic
from tests.simulation import oracle
from tests.simulation.broker import Group, Log, Stored
from tests.simulation.kafka_client import Broker, Sender
from tests.simulation.line import Line, Session
from tests.simulation.loop import PROCESS, START, Process
from tests.simulation.plan import SPAN, Fault, Plan, draw
from tests.simulation.service import ARRIVALS, FACTS, OPTIONS, SERVICE, Service
from tests.simulation.silence import Listener, Silence
from tests.simulation.store import Database, Store
from tests.simulation.world import World

MOST_SECONDS = 240.0
"""Virtual seconds after which a schedule must be quiet."""
LOOK_EVERY = 0.5
COLLECT_EVERY = 50
HEALS_AT = SPAN + 4.0
LOGGERS = (
    shared.answers.courier,
    shared.consumer.attempts,
    shared.consumer.consumer,
    shared.consumer.partitions,
    shared.line.transport,
    shared.outbox,
    shared.schedule,
)


@dataclass(frozen=True)
class Result:
    """How a schedule ended."""

    seed: int
    violations: tuple[str, ...]
    counts: Counter[str]
    seconds: float
    world: World


class VirtualDatetime(datetime):
    """The clock of the schedule that is under way."""

    stage: Stage

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        """Return the virtual moment."""
        return datetime.fromtimestamp(START + cls.stage.world.now, tz or UTC)


class Run:
    """One schedule under way."""

    def __init__(self, seed: int, service: type[Service] = Service) -> None:
        self.world = world = World(seed)
        world.channels = CHANNELS
        self._make = service
        self.plan: Plan = draw(world.rng)
        topics = {ARRIVALS: self.plan.partitions, retry_topic(SERVICE): 1}
        self.log = Log(world, topics | {FACTS: 1, LINE_SENT: 1, dlq_topic(SERVICE): 1})
        self.store = Store()
        self.line = Line(world)
        consumed = tuple(tp for tp in self.log.partitions if tp.topic in topics)
        self.group = Group(
            world,
            consumed,
            OPTIONS.session_timeout_ms / 1000,
            OPTIONS.rebalance_timeout_ms / 1000,
            partial(oracle.judge_commit, self),
        )
        self._slots: list[tuple[Process, Service] | None] = [None, None, None]
        self._starts = 0
        self._healed = False
        self._busy_until = 0.0

    def records(self, topic: str) -> list[Stored]:
        """Return a topic's records; of several partitions one after the other."""
        return [record for tp, records in self.log.partitions.items() if tp.topic == topic for record in records]

    def play(self) -> None:
        """Play to the end and judge."""
        world, plan = self.world, self.plan
        world.trouble = dict(plan.trouble)
        for slot in range(plan.processes):
            world.loop.on_server(world.rng.uniform(0, 0.5), self._start, slot)
        for arrival in plan.arrivals:
            world.loop.on_server(arrival.at, self._arrive, arrival)
        for fault in plan.faults:
            self._schedule(fault)
        world.loop.on_server(HEALS_AT, self._heal)
        world.loop.on_server(LOOK_EVERY, self._look)
        if not world.loop.run(lambda: self._quiet or len(world.violations) > 3, MOST_SECONDS):
            world.fail("not quiet", f"after {MOST_SECONDS:.0f} virtual seconds")
        else:
            oracle.judge(self)
        for problem in world.loop.problems:
            world.fail("unheard error", problem)

    _quiet = False

    def _look(self) -> None:
        self.group.look()
        self._quiet = self._healed and self.world.now > self._busy_until and oracle.quiet(self)
        for entry in self._slots:
            if entry is not None and (failure := entry[1].consumer._failure) is not None:
                self.world.fail("consumer ended", failure)
        self.world.loop.on_server(LOOK_EVERY, self._look)

    def _arrive(self, arrival: Any) -> None:
        if arrival.value == b"reply":
            self.line.give(arrival.event_id)
        self.log.append(ARRIVALS, arrival.key, arrival.value, ((EVENT_ID, arrival.event_id.encode()),))

    def _start(self, slot: int) -> None:
        if self._slots[slot] is not None:
            return
        self._starts += 1
        process = Process(f"p{slot}.{self._starts}")
        world = self.world
        world.note("start", process.name)
        world.counts["starts"] += 1
        for fault in self.plan.faults:
            if fault.call is not None and fault.slot == slot:
                world.at_call.setdefault((process.name, fault.call), partial(self._strike, fault))
                if self._healed:
                    world.at_call.clear()

        async def live() -> None:
            process_of = PROCESS.get()
            assert process_of is process
            service = self._make(
                world,
                process,
                Database(world, self.store, process),
                Sender(world, process, self.log),
                Session(world, process, self.line),
            )
            self._slots[slot] = process, service
            await service.run()
            self._ended(slot, process)

        self._slots[slot] = process, None  # type: ignore[assignment]
        self._slots[slot] = None
        world.loop.spawn(process, live())

    def _ended(self, slot: int, process: Process) -> None:
        self.world.note("ended", process.name)
        entry = self._slots[slot]
        if entry is not None and entry[0] is process:
            self._slots[slot] = None
        process.dead = True

    def _schedule(self, fault: Fault) -> None:
        if fault.call is None:
            self.world.loop.on_server(fault.at, self._strike, fault)

    def _strike(self, fault: Fault) -> None:
        world = self.world
        entry = self._slots[fault.slot]
        world.note("fault", fault.kind, fault.slot)
        self._busy_until = max(self._busy_until, world.now + fault.seconds)
        later = world.loop.on_server
        match fault.kind:
            case "crash" if entry is not None:
                world.counts["crashes"] += 1
                entry[0].dead = True
                self._slots[fault.slot] = None
                later(fault.seconds, self._start, fault.slot)
            case "freeze" if entry is not None and not entry[0].frozen:
                world.counts["zombies" if fault.seconds > OPTIONS.session_timeout_ms / 1000 else "pauses"] += 1
                entry[0].frozen = True
                later(fault.seconds, world.loop.thaw, entry[0])
            case "drain" if entry is not None:
                world.counts["drains"] += 1
                process, service = entry
                world.loop.call_soon(service.stop.set, context=self._context(process))
                later(fault.seconds + 0.1, self._start_when_gone, fault.slot)
            case "start":
                self._start(fault.slot)
            case "store" | "broker" | "line":
                world.counts[f"{fault.kind} down"] += 1
                world.down.add(fault.kind)
                later(fault.seconds, world.down.discard, fault.kind)
            case "token":
                self.line.token_refused = True
                later(fault.seconds, setattr, self.line, "token_refused", False)
            case _:
                pass

    def _context(self, process: Process) -> Any:
        context = self.world.loop.server.copy()
        context.run(PROCESS.set, process)
        return context

    def _start_when_gone(self, slot: int) -> None:
        if self._slots[slot] is None:
            self._start(slot)
        else:
            self.world.loop.on_server(0.5, self._start_when_gone, slot)

    def _heal(self) -> None:
        world = self.world
        world.note("healed")
        self._healed = True
        world.trouble.clear()
        world.at_call.clear()
        if not any(self._slots):
            self._start(0)


class _Channels(dict[str, Any]):
    """The one account."""


CHANNELS = _Channels(
    shop=SimpleNamespace(language="en", access_token=SimpleNamespace(get_secret_value=lambda: "made-up"))
)


class Stage:
    """The schedule that is under way just now; what stands in the place of real things asks it."""

    run: Run

    @property
    def world(self) -> World:
        """Its world."""
        return self.run.world

    async def until_kafka(self, *_: Any) -> None:
        """Kafka is there."""

    def create_broker(self, *_: Any) -> Broker:
        """Return the broker of the process that asks."""
        process = PROCESS.get()
        assert process is not None
        return Broker(self.world, process, self.run.log, self.run.group)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.world.now

    def time(self) -> float:
        """Virtual UNIX time."""
        return START + self.world.now

    def urandom(self, count: int) -> bytes:
        """Bytes of the seed."""
        return self.world.rng.randbytes(count)


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Put the world's clock, randomness, broker, metrics and log in the place of the real ones."""
    stage = Stage()
    gc.collect()
    gc.freeze()
    gc.disable()
    VirtualDatetime.stage = stage
    with contextlib.ExitStack() as stack:
        for target, name, value in (
            (shared.clock, "time", stage),
            (shared.clock, "datetime", VirtualDatetime),
            (shared.ids, "time", stage),
            (shared.ids, "os", stage),
            (shared.consumer.consumer, "kafka", stage),
            (shared.consumer.consumer, "RESUME_SECONDS", 0.5),
            (shared.consumer.consumer, "COMMIT_EVERY", 1),
            (Consumer, "_observe", lambda _: None),
            (shared.consumer.consumer, "ConsumerMetrics", Silence),
            (shared.line.transport, "LineMetrics", Silence),
            (shared.outbox, "Counter", Silence),
            (shared.outbox, "Gauge", Silence),
            (shared.answers.courier, "Counter", Silence),
            *((module, "logger", Listener(stage)) for module in LOGGERS),
        ):
            stack.enter_context(patch.object(target, name, value))
        try:
            yield stage
        finally:
            gc.enable()
            gc.unfreeze()


def play(stage: Stage, seed: int, service: type[Service] = Service) -> Result:
    """Play one seed to its end."""
    stage.run = run = Run(seed, service)
    random.seed(run.world.rng.random())
    try:
        run.play()
    finally:
        run.world.loop.bury()
    if seed % COLLECT_EVERY == 0:
        gc.collect()
    world = run.world
    return Result(seed, tuple(world.violations), world.counts, world.now, world)
