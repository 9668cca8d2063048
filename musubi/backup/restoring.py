"""Bringing a backup back: check everything, load it, let versions and offsets fit what the topics know (design §1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.local.errors import StackError
from musubi.backup.aftercare import after_care
from musubi.backup.archive import Archive, Saved
from musubi.backup.owned import Place, in_order
from shared.answers.store import LAST_RESTORE, RESTORES
from shared.broker import Places, commit_for, group_offsets, group_runs, log_bounds
from shared.clock import monotonic, utcnow
from shared.erasures import Erasures
from shared.mongo import Collection, Database, RawDocument, untouched
from shared.topics import MEMBER_STATE

BATCH_DOCUMENTS = 500
BATCH_BYTES = 8 * 1024 * 1024
"""A message to the server takes 48 MB at most, one document up to 16."""

SESSION_SECONDS = 60.0
"""For so long Kafka takes a process for alive that was killed, or that may come back as the same member."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What was done to one service: how much was loaded, how far its group goes back, in words what to look at."""

    documents: int
    records_again: int
    remarks: Sequence[str]


async def restore(
    archive: Archive,
    places: Sequence[Place],
    kafka_url: str,
    erasures: Erasures,
    *,
    replace: bool,
    say: Say,
    patience: float = SESSION_SECONDS,
) -> Mapping[str, Restored]:
    """Bring services back from a backup. Nothing is changed before everything has been checked, of all of them.

    Raises:
        BadArchive: the file is damaged.
        StackError: a service is not in the backup, runs, or has a database with something in it (unless `replace`);
            the backup is of another Kafka.
        KafkaError, PyMongoError, OSError: a server does not answer. Then run it again, with `replace`.
    """
    chosen = {place.service: _saved(archive, place.service) for place in places}
    say("checking the backup")
    archive.verify(chosen)
    for place in places:
        if not replace and await _filled(place.database):
            raise StackError(f"the database {place.database.name} is not empty; --replace drops what is in it")
        await _check(place, chosen[place.service], kafka_url)
    until = monotonic() + patience
    for place in places:
        await _until_stopped(place, kafka_url, until, say)
    return {
        place.service: await _restore(archive, place, chosen[place.service], kafka_url, erasures, say)
        for place in places
    }


def _saved(archive: Archive, service: str) -> Saved:
    saved = archive.manifest.services.get(service)
    if saved is None:
        raise StackError(f"{service} is not in this backup; there are: {', '.join(archive.manifest.services)}")
    return saved


async def _until_stopped(place: Place, kafka_url: str, until: float, say: Say) -> None:
    said = False
    while await group_runs(kafka_url, place.group):
        if monotonic() >= until:
            raise StackError(f"{place.service} runs: stop all its processes first")
        if not said:
            say(f"waiting until Kafka takes {place.service} for stopped")
        said = True
        await asyncio.sleep(1)


async def _check(place: Place, saved: Saved, kafka_url: str) -> None:
    offsets = _offsets(saved)
    _, ends = await log_bounds(kafka_url, offsets)
    if any(offset > ends[at] for at, offset in offsets.items()):
        raise StackError(
            f"this backup of {place.service} belongs to another Kafka: it had read further than this one has records"
        )


async def _filled(database: Database) -> bool:
    names = in_order(await database.list_collection_names())
    return any([await database[name].find_one({}, {"_id": 1}) is not None for name in names])


async def _restore(
    archive: Archive, place: Place, saved: Saved, kafka_url: str, erasures: Erasures, say: Say
) -> Restored:
    say(f"loading {place.service}")
    now = utcnow()
    await place.database.client.drop_database(place.database.name)
    await place.database[RESTORES].insert_one({"_id": LAST_RESTORE, "at": now})
    for part in saved.parts:
        await _load(place.database[part.collection], archive.documents(place.service, part.collection))
    say(f"fitting {place.service} to the topics")
    remarks = await after_care(place, saved.began_at, kafka_url, erasures, now)
    again, lost = await _go_back(place, saved, kafka_url)
    if lost:
        remarks = [*remarks, f"{lost} records since the backup are no longer kept by Kafka: what they did is lost"]
    return Restored(sum(part.documents for part in saved.parts), again, remarks)


async def _load(collection: Collection, documents: Iterable[bytes]) -> None:
    for batch in _batches(documents):
        await untouched(collection).insert_many([RawDocument(document) for document in batch], ordered=False)


def _batches(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if len(batch) >= BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _offsets(saved: Saved) -> Places:
    return {(entry.topic, entry.partition): entry.offset for entry in saved.offsets}


async def _go_back(place: Place, saved: Saved, kafka_url: str) -> tuple[int, int]:
    """Let the group go on where it was at the backup; return how many records come again, and how many are gone.

    A partition that had nothing committed then is read from its beginning. Binding's own snapshots were read to their
    end just now: read again, each older one would look like one that was told too late.
    """
    then = _offsets(saved)
    known = {**dict(await group_offsets(kafka_url, place.group)), **then}
    first, ends = await log_bounds(kafka_url, known)
    target = {at: ends[at] if _was_read(place, at[0]) else max(then.get(at, 0), first[at]) for at in known}
    if target:
        await commit_for(kafka_url, place.group, target)
    lost = sum(first[at] - offset for at, offset in then.items() if offset < first[at] and not _was_read(place, at[0]))
    return sum(ends[at] - offset for at, offset in target.items()), lost


def _was_read(place: Place, topic: str) -> bool:
    return place.service == "binding" and topic == MEMBER_STATE
