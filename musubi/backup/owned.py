"""What is backed up of each service: all collections of its database but what only the running processes need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared import schedule
from shared.answers.store import RESTORES
from shared.mongo import Collection, Database

SERVICES = ("binding", "ticketing", "broadcast", "insights")
"""The services that own a database."""

NOT_KEPT = frozenset({schedule.COLLECTION, RESTORES})

READ_FIRST = ("campaigns", "chunks", "content_pieces", "content.files")
"""A backup is taken while work goes on: what refers to others is read before them, so that they are there.

A campaign that has frozen more chunks since is read with fewer, and freezes those again under the same numbers.
"""


@dataclass(frozen=True)
class Place:
    """Where a service's things are: its database, and the consumer group that goes with it."""

    service: str
    database: Database
    group: str


def in_order(names: Iterable[str]) -> list[str]:
    """Return the collections that are backed up, in the order in which they are read."""
    kept = {name for name in names if name not in NOT_KEPT and not name.startswith("system.")}
    first = [name for name in READ_FIRST if name in kept]
    return [*first, *sorted(kept.difference(first))]


async def collections(database: Database) -> Sequence[Collection]:
    """Return a database's collections that are backed up."""
    return [database[name] for name in in_order(await database.list_collection_names())]
