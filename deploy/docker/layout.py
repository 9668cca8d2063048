"""Where the containers of a stack are reached from this machine: ports chosen before, addresses told after."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from deploy.docker.engine import Container
from deploy.local.keys import ContainerKeyFiles
from deploy.local.layout import local_url, stand_in
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.programs import SERVICES, SIMULATOR_PORT
from deploy.local.server_commands import KAFKA_PORT, MONGO_PORT

EDGE = "edge"
PROMETHEUS_PORT, GRAFANA_PORT = 9090, 3000

PUBLISHED = {
    **{service.name: (service.port, EDGE) for service in SERVICES},
    "simulator": (SIMULATOR_PORT, EDGE),
    "kafka": (KAFKA_PORT, "kafka"),
    "mongo": (MONGO_PORT, "mongo"),
    "prometheus": (PROMETHEUS_PORT, "prometheus"),
    "grafana": (GRAFANA_PORT, "grafana"),
}
"""What is published: its default port, and the container whose port it is."""


def variable(name: str) -> str:
    """Return the variable of docker-compose.yml that holds a published port."""
    return f"MUSUBI_{name.upper()}_PORT"


def choose_ports(ports: Ports, running: Collection[str]) -> dict[str, int]:
    """Return the port of everything that is published; those of `running` containers (by service) stay."""
    return {name: ports.choose(name, port, running=owner in running) for name, (port, owner) in PUBLISHED.items()}


def facts(ports: dict[str, int], containers: Iterable[Container], files: ContainerKeyFiles) -> dict[str, Any]:
    """Return the content of stack.json, in the local stack's shape: addresses and paths, no secrets."""
    replicas: dict[str, list[dict[str, str]]] = {}
    found = [container for container in containers if container.state == "running"]
    for service in SERVICES:
        address = {service.speaks: local_url(ports[service.name])}
        mine = [container for container in found if container.service == service.name]
        replicas[service.name] = [
            address | {"ops": local_url(container.ports[service.ops_port])}
            for container in mine
            if service.ops_port in container.ports
        ]
    return {
        "containers": True,
        "kafka": f"{LOOPBACK}:{ports['kafka']}",
        "mongo": f"mongodb://{LOOPBACK}:{ports['mongo']}",
        "line": stand_in(ports["simulator"]),
        "services": {name: addresses[0] for name, addresses in replicas.items() if addresses},
        "replicas": replicas,
        "databases": {service.name: service.name for service in SERVICES if service.stores},
        "watching": {"prometheus": local_url(ports["prometheus"]), "grafana": local_url(ports["grafana"])},
        "channels_file": str(files.channels),
        "callbacks_file": str(files.callbacks),
        "admin_keys_file": str(files.admin_keys),
        "admin_key_file": str(files.admin_key),
        "link_key_file": str(files.link_keys),
        "grafana_password_file": str(files.grafana_password),
    }
