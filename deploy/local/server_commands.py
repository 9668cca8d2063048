"""The two servers as commands: what is run for Kafka and for the MongoDB-protocol server, and where they then are."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from deploy.local import jars, kafka, probes
from deploy.local.jars import Say, quiet
from deploy.local.paths import CHECKOUT, Home
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.probes import Probe

KAFKA_PORT = 9092
KAFKA_CONTROLLER_PORT = 9093
MONGO_PORT = 27017
START_SECONDS = 90.0


@dataclass(frozen=True)
class ServerCommand:
    """How to run a server, where it will be, and how to ask whether it accepts."""

    name: str
    url: str
    command: tuple[str, ...]
    accepts: Probe
    environment: dict[str, str] = field(default_factory=dict)


def kafka_command(home: Home, ports: Ports, *, running: bool = False, say: Say = quiet) -> ServerCommand:
    """Prepare Kafka in a stack's folder: jars, ports, settings, formatted storage."""
    folder = jars.jars_of(jars.KAFKA, say)
    port = ports.choose("kafka", KAFKA_PORT, running=running)
    controller = ports.choose("kafka controller", KAFKA_CONTROLLER_PORT, running=running)
    url = f"{LOOPBACK}:{port}"
    command = kafka.prepare(home.folder("kafka"), folder, port, controller)
    return ServerCommand("kafka", url, tuple(command), lambda: probes.kafka_accepts(url))


def mongo_command(home: Home, ports: Ports, *, running: bool = False, say: Say = quiet) -> ServerCommand:
    """Prepare the MongoDB-protocol server in a stack's folder."""
    folder = jars.jars_of(jars.MONGO, say)
    port = ports.choose("mongo", MONGO_PORT, running=running)
    url = f"mongodb://{LOOPBACK}:{port}"
    data = home.folder("mongo") / "data.mv"
    command = (sys.executable, "-m", "deploy.local.mongo_server", str(folder), str(data), str(port))
    environment = {"PYTHONPATH": str(CHECKOUT)}
    return ServerCommand("mongo", url, command, lambda: probes.mongo_accepts(url), environment)
