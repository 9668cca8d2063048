"""From the world's seed to a schedule: what comes in, what breaks and when."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["crash", "freeze", "drain", "start", "store", "broker", "line", "token"]
SPAN = 8.0
"""Virtual seconds in which records come in and things break; afterwards all heals."""
KINDS: tuple[Kind, ...] = (
    "crash",
    "crash",
    "crash",
    "freeze",
    "freeze",
    "drain",
    "start",
    "store",
    "broker",
    "line",
    "token",
)
RATES = (0.0, 0.0, 0.03, 0.1, 0.25)
MOST_CALLS = 60


@dataclass(frozen=True)
class Arrival:
    """A record that comes in at a time; LINE redelivers an event as the same id at a later one."""

    at: float
    key: bytes
    event_id: str
    value: bytes


@dataclass(frozen=True)
class Fault:
    """What breaks: at a time, or with the n-th call of a process, and for how long."""

    kind: Kind
    at: float
    slot: int
    call: int | None
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A schedule."""

    partitions: int
    processes: int
    arrivals: tuple[Arrival, ...]
    faults: tuple[Fault, ...]
    trouble: dict[str, float]


def draw(rng: Random) -> Plan:
    """Draw a schedule."""
    keys = [f"U{number}".encode() for number in range(rng.randint(1, 4))]
    arrivals = []
    for number in range(rng.randint(3, 10)):
        at, key = rng.uniform(0.0, SPAN * 0.7), rng.choice(keys)
        value = rng.choice((b"none", b"push", b"push", b"reply", b"bad" if rng.random() < 0.2 else b"none"))
        times = 1 + (rng.random() < 0.3) + (rng.random() < 0.1)
        arrivals += [Arrival(at + n * rng.uniform(0.0, 3.0), key, f"e{number}", value) for n in range(times)]
    faults = tuple(_fault(rng) for _ in range(rng.randint(1, 5)))
    trouble = {server: rng.choice(RATES) for server in ("store", "broker", "line")}
    arrivals.sort(key=lambda arrival: arrival.at)
    return Plan(rng.randint(1, 3), rng.randint(1, 3), tuple(arrivals), faults, trouble)


def _fault(rng: Random) -> Fault:
    kind = rng.choice(KINDS)
    by_call = kind in {"crash", "freeze"} and rng.random() < 0.6
    call = rng.randint(1, MOST_CALLS) if by_call else None
    return Fault(kind, rng.uniform(0.5, SPAN), rng.randrange(3), call, rng.choice((0.3, 1.0, 3.0, 6.0, 9.0)))
