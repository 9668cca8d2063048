"""Where benchmarks run: the servers, the cores, a folder for logs, how long and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import Cores
from deploy.local.servers import Server


@dataclass(frozen=True)
class Bench:
    """What every benchmark is given.

    Args:
        rounds: how often the contenders take turns.
        seconds: how long a contender works in a round.
    """

    kafka_url: str
    mongo_url: str
    store: str
    scans: bool
    """The store is the local stack's, which reads whole collections: good for some thousands of documents."""
    cores: Cores
    folder: Path
    kafka: Server | None
    """The broker, where it is one of our own that may be stopped."""
    rounds: int
    seconds: float
