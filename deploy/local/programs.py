"""Every process of the local stack, in one table. A new service is one more row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """A service as the stack runs it: `python -m services.NAME`, with ports of its own for each replica."""

    name: str
    port: int
    ops_port: int
    speaks: str = "api"
    """What its port is called in stack.json: `api`, or `public` where strangers knock."""
    stores: bool = True
    """Whether it is given MONGO_URL."""
    docs: str | None = "/docs"
    """Path of its first page for people."""


SERVICES: tuple[Service, ...] = (
    Service("ingest", 8000, 9000, speaks="public", stores=False, docs=None),
    Service("binding", 8001, 9001),
    Service("broadcast", 8002, 9002),
    Service("insights", 8003, 9003),
    Service("ticketing", 8004, 9004),
)

SIMULATOR_PORT = 8010

DEFAULT_PORTS = frozenset({*range(8000, 8006), *range(9000, 9006), SIMULATOR_PORT, 9092, 9093, 27017})
"""Ports that belong to some process of Musubi (design §12): no other one is moved onto them."""

SERVICE_NAMES = tuple(service.name for service in SERVICES)
