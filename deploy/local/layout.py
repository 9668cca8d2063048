"""Which processes a stack has, with which addresses and settings: decided before anything is started."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.local.keys import KeyFiles
from deploy.local.paths import CHECKOUT
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.programs import SERVICES, SIMULATOR_PORT, Service
from deploy.local.server_commands import ServerCommand
from deploy.local.supervision import Program

KAFKA_PRIORITY, MONGO_PRIORITY, SIMULATOR_PRIORITY, SERVICE_PRIORITY = 1, 2, 3, 10


def local_url(port: int) -> str:
    """Return the address of a port on this machine."""
    return f"http://{LOOPBACK}:{port}"


def stand_in(port: int) -> dict[str, str]:
    """Return LINE's addresses as stack.json has them: all on the stand-in."""
    base = local_url(port)
    return {
        "api": base,
        "data": base,
        "login": base,
        "liff": f"{base}/liff",
        "liff_sdk": f"{base}/liff-sdk.js",
        "phone": f"{base}/phone",
        "control": f"{base}/control",
    }


@dataclass(frozen=True)
class Replica:
    """One process of a service."""

    service: Service
    number: int
    port: int
    ops_port: int

    @property
    def name(self) -> str:
        """Its name for the supervisor and in logs."""
        return f"{self.service.name}-{self.number}"

    @property
    def addresses(self) -> dict[str, str]:
        """Its base URLs as stack.json has them."""
        return {self.service.speaks: local_url(self.port), "ops": local_url(self.ops_port)}


@dataclass(frozen=True)
class Layout:
    """The processes of a stack and where they are."""

    kafka_url: str
    mongo_url: str
    servers: tuple[ServerCommand, ...]
    simulator_port: int | None
    replicas: tuple[Replica, ...]
    files: KeyFiles | None
    databases: str | None = None
    """Ends the names of the services' databases where they lie on a server that outlives the stack's own Kafka."""

    def of(self, service: str) -> list[Replica]:
        """Return the replicas of a service, first one first."""
        return [replica for replica in self.replicas if replica.service.name == service]

    @property
    def line(self) -> dict[str, str]:
        """LINE's addresses: all on the stand-in."""
        assert self.simulator_port is not None
        return stand_in(self.simulator_port)

    def facts(self) -> dict[str, Any]:
        """Return the content of stack.json: addresses and paths, no secrets."""
        facts: dict[str, Any] = {"kafka": self.kafka_url, "mongo": self.mongo_url}
        if self.files is None:
            return facts
        names = dict.fromkeys(replica.service.name for replica in self.replicas)
        return facts | {
            "line": self.line,
            "services": {name: self.of(name)[0].addresses for name in names},
            "replicas": {name: [replica.addresses for replica in self.of(name)] for name in names},
            "databases": {name: self.database(name) for name in names if self.of(name)[0].service.stores},
            "channels_file": str(self.files.channels),
            "callbacks_file": str(self.files.callbacks),
            "admin_keys_file": str(self.files.admin_keys),
            "admin_key_file": str(self.files.admin_key),
            "link_key_file": str(self.files.link_keys),
        }

    def database(self, service: str) -> str:
        """Return the name of the database a service owns."""
        return service if self.databases is None else f"{service}_{self.databases}"

    def programs(self) -> list[Program]:
        """Return what is to be supervised."""
        programs = [self._server(server) for server in self.servers]
        if self.files is not None:
            programs.append(self._simulator(self.files))
            programs += [self._service(replica, self.files) for replica in self.replicas]
        return programs

    def _server(self, server: ServerCommand) -> Program:
        priority = KAFKA_PRIORITY if server.name == "kafka" else MONGO_PRIORITY
        return Program(server.name, server.command, server.environment, priority)

    def _simulator(self, files: KeyFiles) -> Program:
        ingest = self.of("ingest")[0]
        settings = {
            "CHANNELS_FILE": str(files.channels),
            "HOST": LOOPBACK,
            "PORT": str(self.simulator_port),
            "WEBHOOK_BASE_URL": local_url(ingest.port),
        }
        return Program("simulator", (sys.executable, "-m", "simulator"), _python(settings), SIMULATOR_PRIORITY)

    def _service(self, replica: Replica, files: KeyFiles) -> Program:
        line = self.line
        settings = {
            "KAFKA_URL": self.kafka_url,
            "LINE_API_URL": line["api"],
            "LINE_DATA_URL": line["data"],
            "LINE_LOGIN_URL": line["login"],
            "LINE_ME_URL": line["api"],
            "LIFF_URL": line["liff"],
            "LIFF_SDK_URL": line["liff_sdk"],
            "CHANNELS_FILE": str(files.channels),
            "CALLBACKS_FILE": str(files.callbacks),
            "ADMIN_KEYS_FILE": str(files.admin_keys),
            "LINK_KEY_FILE": str(files.link_keys),
            "ERASURE_KEY_FILE": str(files.erasure_key),
            "PUBLIC_URL": local_url(self.of("ingest")[0].port),
            "HOST": LOOPBACK,
            "PORT": str(replica.port),
            "OPS_PORT": str(replica.ops_port),
        }
        if replica.service.stores:
            settings["MONGO_URL"] = self.mongo_url
            settings["GROUP_INSTANCE_ID"] = replica.name
            if self.databases is not None:
                settings["MONGO_DATABASE"] = self.database(replica.service.name)
        command = (sys.executable, "-m", f"services.{replica.service.name}")
        return Program(replica.name, command, _python(settings), SERVICE_PRIORITY)


def _python(settings: Mapping[str, str]) -> dict[str, str]:
    return {**settings, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1"}


def choose_replicas(ports: Ports, counts: Mapping[str, int], running: set[str]) -> tuple[Replica, ...]:
    """Give every replica its ports; those of `running` processes (by name) are kept without a look."""
    replicas = []
    for service in SERVICES:
        for number in range(1, counts.get(service.name, 1) + 1):
            name = f"{service.name}-{number}"
            runs = name in running
            port = ports.choose(name, service.port, running=runs)
            ops_port = ports.choose(f"{name} ops", service.ops_port, running=runs)
            replicas.append(Replica(service, number, port, ops_port))
    return tuple(replicas)


def choose_simulator_port(ports: Ports, running: set[str]) -> int:
    """Give LINE's stand-in its port."""
    return ports.choose("simulator", SIMULATOR_PORT, running="simulator" in running)
