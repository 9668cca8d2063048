"""Taking a backup while the services run: the offsets first, then every document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from musubi.backup.archive import FORMAT, ArchiveWriter, Manifest, Offset, Saved
from musubi.backup.owned import Place, collections
from shared.broker import group_offsets
from shared.clock import utcnow
from shared.mongo import ASCENDING, DESCENDING, Collection, Database, untouched

BATCH = 500


async def back_up(places: Sequence[Place], kafka_url: str, archive: ArchiveWriter) -> Manifest:
    """Write everything that the services own, and return what was written.

    Each document is whole, but two may be of different moments. That is no harm: what a service has done since its
    offsets were read is done again after a restore, and each document refuses what it has.

    Raises:
        KafkaError, PyMongoError, OSError: a server does not answer.
    """
    began_at = utcnow()
    saved = {place.service: await _save(place, kafka_url, archive) for place in places}
    manifest = Manifest(format=FORMAT, began_at=began_at, services=saved)
    archive.close(manifest)
    return manifest


async def _save(place: Place, kafka_url: str, archive: ArchiveWriter) -> Saved:
    began_at = utcnow()
    committed = await group_offsets(kafka_url, place.group)
    parts = [
        await archive.write(place.service, collection.name, _documents(collection))
        for collection in await collections(place.database)
    ]
    return Saved(
        began_at=began_at,
        ended_at=utcnow(),
        parts=parts,
        offsets=[Offset(topic=t, partition=p, offset=offset) for (t, p), offset in sorted(committed.items())],
        highest_version=await _highest_version(place.database) if place.service == "binding" else None,
    )


async def _documents(collection: Collection) -> AsyncIterator[bytes]:
    """Yield documents as BSON, by id: one that is there all the time is met once."""
    async for document in untouched(collection).find({}, batch_size=BATCH).sort("_id", ASCENDING):
        yield document.raw


async def _highest_version(database: Database) -> int | None:
    found = database["members"].find({}, {"version": 1}).sort("version", DESCENDING).limit(1)
    return next((int(member["version"]) for member in await found.to_list(1)), None)
