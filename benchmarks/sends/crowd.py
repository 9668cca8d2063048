"""An account with friends and campaigns in broadcast's database, as broadcast itself keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from benchmarks.sends.place import SLUG, Place
from services.broadcast.app import INDEXES
from services.broadcast.people.model import Person
from services.broadcast.people.store import PEOPLE, MongoPeople
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.model import NewChunk
from shared.clock import utcnow
from shared.ids import ulid
from shared.mongo import Database, connect, ensure_indexes
from shared.testing.webhooks import account

_BATCH = 2000


@dataclass(frozen=True)
class Crowd:
    """Where the friends are."""

    mongo_url: str
    database: str
    channels_file: str
    friends: int

    def place(self, kafka_url: str, line_url: str) -> Place:
        """Return where a sender to them works."""
        return Place(self.mongo_url, kafka_url, line_url, self.database, self.channels_file)


def friends(count: int) -> list[str]:
    """Return the LINE ids of so many friends, in their order."""
    return [f"U{number:032x}" for number in range(count)]


@contextmanager
def crowd(mongo_url: str, folder: Path, count: int) -> Iterator[Crowd]:
    """Make a database with so many friends for the length of the block."""
    channels = folder / "sends-channels.yaml"
    channels.write_text(yaml.safe_dump([account(SLUG)]), encoding="utf-8")
    made = Crowd(mongo_url, f"bench_{ulid().lower()}", str(channels), count)
    asyncio.run(_fill(made))
    try:
        yield made
    finally:
        asyncio.run(_drop(made))


async def _fill(made: Crowd) -> None:
    client = connect(made.mongo_url)
    database = client[made.database]
    await ensure_indexes(database, INDEXES)
    now = utcnow()
    people = MongoPeople(database)
    await people.apply("mbr_sample", 1, [_friend(0, now)])
    sample = await database[PEOPLE].find_one({})
    assert sample is not None
    ids = friends(made.friends)
    for start in range(1, len(ids), _BATCH):
        batch = enumerate(ids[start : start + _BATCH], start)
        await database[PEOPLE].insert_many(
            [{**sample, "_id": f"{SLUG}:{user}", "member": f"mbr_{number}"} for number, user in batch], ordered=False
        )
    client.close()


def _friend(number: int, now: datetime) -> Person:
    contact = f"{SLUG}:{friends(number + 1)[number]}"
    return Person(contact, SLUG, f"mbr_{number}", 1, now, following=True, followed_at=now)


async def _drop(made: Crowd) -> None:
    client = connect(made.mongo_url)
    await client.drop_database(made.database)
    client.close()


async def freeze(database: Database, campaign: str, size: int, people: int, known: int) -> None:
    """Freeze a campaign in chunks of a size to so many people, the known friends over and over."""
    chunks = Chunks(database)
    contacts = [f"{SLUG}:{user}" for user in friends(min(people, known))]
    starts = (start % len(contacts) for start in range(0, people, size))
    await _add_all(
        chunks, [NewChunk(campaign, SLUG, n, contacts[start : start + size]) for n, start in enumerate(starts)]
    )


async def _add_all(chunks: Chunks, new: Sequence[NewChunk]) -> None:
    for start in range(0, len(new), 20):
        await asyncio.gather(*(chunks.add(chunk) for chunk in new[start : start + 20]))
