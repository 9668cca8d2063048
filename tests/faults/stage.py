"""What a scenario works with: the stack, seeded traffic, and the faults it can inject on real processes and servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.topics.job import apply_topics
from shared.testing.processes import ServiceProcess
from shared.testing.spine import Spine
from shared.testing.waiting import eventually
from shared.topics import BY_NAME
from tests.faults.ledger import Ledger
from tests.faults.observer import Observer
from tests.faults.traffic import COFFEE, REPAIR, WORD, Traffic

if TYPE_CHECKING:
    from tests.faults.cluster import Cluster

BACK_SECONDS = 90.0
RULE = "fault-harness"


@dataclass
class Stage:
    """One run of one scenario."""

    spine: Spine
    observer: Observer
    name: str
    seed: int
    tell: Callable[[str], None] = lambda _: None
    """Told what happens on the way, for who watches."""
    cluster: Cluster | None = None
    """The brokers, where Kafka is three of them."""
    ledger: Ledger = field(default_factory=Ledger)
    injected: int = 0
    expected_letters: int = 0
    resting: set[str] = field(default_factory=set)
    """Services whose usual processes are not there: nobody waits for them to be ready."""
    over_at: float = 0.0
    """When the last fault was over (`time.monotonic`)."""

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.name} {self.seed}")
        self.traffic = Traffic(self.spine, self.ledger, f"{self.name} {self.seed}", self.seed)

    def note(self) -> None:
        """A fault was injected and, for all that the harness does, is over."""
        self.injected += 1
        self.over_at = time.monotonic()

    def kill(self, process: str) -> None:
        """Kill -9; the supervisor starts it again."""
        with contextlib.suppress(ProcessLookupError):
            self.spine.kill(process)
        self.note()

    def random_replica(self, service: str) -> str:
        """Pick one of a service's processes."""
        return f"{service}-{self.chance.randint(1, len(self.spine.facts['replicas'][service]))}"

    @contextlib.contextmanager
    def frozen(self, process: str) -> Iterator[None]:
        """SIGSTOP for the length of the block, then SIGCONT: connections stay open, nothing is answered."""
        pid = self.spine.pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self.note()

    @contextlib.asynccontextmanager
    async def away(self, *processes: str) -> AsyncIterator[float]:
        """Stop (SIGTERM) for the length of the block; gives how many seconds the ending took."""
        supervisor = self.spine.stack.supervisor
        began = time.monotonic()
        await asyncio.to_thread(supervisor.stop, list(processes))
        try:
            yield time.monotonic() - began
        finally:
            await asyncio.to_thread(supervisor.start, list(processes))

    @contextlib.asynccontextmanager
    async def stopped(self, *processes: str) -> AsyncIterator[float]:
        """As `away`, as a fault that is counted."""
        try:
            async with self.away(*processes) as seconds:
                yield seconds
        finally:
            self.note()

    @contextlib.asynccontextmanager
    async def refusing(self, topic: str) -> AsyncIterator[None]:
        """Kafka refuses every write to one topic, since no record is small enough for it."""
        config = {**BY_NAME[topic].config, "max.message.bytes": "1"}
        admin = AIOKafkaAdminClient(bootstrap_servers=self.spine.facts["kafka"])
        await admin.start()
        try:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        finally:
            await admin.close()
        try:
            yield
        finally:
            await apply_topics(self.spine.facts["kafka"], topics=[BY_NAME[topic]])
            self.note()

    @contextlib.asynccontextmanager
    async def line_fault(self, api: str, kind: str, **more: float) -> AsyncIterator[None]:
        """LINE has a bad day for the length of the block."""
        await self.spine.tell("POST", "/faults", {"api": api, "kind": kind, "seed": self.seed, **more})
        try:
            yield
        finally:
            await self.spine.tell("DELETE", "/faults")
            self.note()

    @contextlib.asynccontextmanager
    async def another(self, service: str, **settings: str) -> AsyncIterator[ServiceProcess]:
        """One more process of a service, with other settings where given, ready; gone (kill -9) with the block."""
        process = self.process(service, **settings)
        process.start()
        try:
            await process.ready(BACK_SECONDS)
            yield process
        finally:
            process.end()

    def process(self, service: str, launcher: str | None = None, **settings: str) -> ServiceProcess:
        """Return one more process of a service, not started; run by a launcher module where one is given."""
        facts = self.spine.facts
        line = facts["line"]
        environment = {
            "KAFKA_URL": facts["kafka"],
            "MONGO_URL": facts["mongo"],
            "LINE_API_URL": line["api"],
            "LINE_DATA_URL": line["data"],
            "LINE_LOGIN_URL": line["login"],
            "LINE_ME_URL": line["api"],
            "CHANNELS_FILE": facts["channels_file"],
            "CALLBACKS_FILE": facts["callbacks_file"],
            "ADMIN_KEYS_FILE": facts["admin_keys_file"],
            "LINK_KEY_FILE": facts["link_key_file"],
            "ERASURE_KEY_FILE": str(Path(facts["admin_keys_file"]).with_name("erasure.key")),
            "PYTHONUNBUFFERED": "1",
            **({"MONGO_DATABASE": facts["databases"][service]} if service in facts["databases"] else {}),
            **settings,
        }
        log = self.spine.stack.home.log(f"{service}-{self.name}")
        module = f"services.{service}"
        command = (module,) if launcher is None else (launcher, module)
        return ServiceProcess(command[0], environment, log, *command[1:])

    async def until_ready(self) -> None:
        """Wait until every process says that it is ready."""
        for service, replicas in self.spine.facts["replicas"].items():
            for replica in range(len(replicas)):
                await eventually(partial(self.spine.is_ready, service, replica), seconds=BACK_SECONDS, every=0.2)


async def prepare(spine: Spine) -> None:
    """Give both accounts the keyword that the traffic uses, and wait until every process knows it."""
    made = False
    rule = {"keywords": [WORD], "audience": "any", "messages": [{"type": "text", "text": "heard"}]}
    for channel in (COFFEE, REPAIR):
        put = await spine.admin("PUT", "ticketing", f"/v1/auto-replies/{channel}/{RULE}", json=rule)
        if put.status_code not in {200, 201, 428}:
            raise AssertionError(f"the keyword could not be set: {put.status_code} {put.text}")
        made |= put.status_code != 428
    if made:
        await asyncio.sleep(2.5)  # The desk promises that every process knows a new keyword after two seconds.
    await spine.tell("PUT", "/limits", {"factor": 0})
