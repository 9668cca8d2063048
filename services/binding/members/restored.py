"""Members brought back from a backup: their versions go on above the highest that was ever published (design §1).

`member.state` knows what the backup does not: how far versions had come, whom it made since, whom it erased since.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.binding.members.changes import state_item
from services.binding.members.erasure import erasure_items
from services.binding.members.model import erase
from services.binding.members.store import MongoMembers
from shared.consumer.records import Record
from shared.erasures import Erasures
from shared.mongo import Database, Document, UpdateOne

BATCH = 500


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was done to members: published anew above what was told of them, made as bare ones, erased again."""

    lifted: int
    made: int
    erased: int


class _Told(msgspec.Struct, frozen=True):
    version: int
    channel: str
    created_at: datetime


_TOLD = msgspec.json.Decoder(_Told)


async def lift_members(
    database: Database, published: AsyncIterator[Record], erasures: Erasures, backed_up_at: datetime, now: datetime
) -> Lifted:
    """Bring versions above those on member.state, and erase again who was erased since the backup.

    A member that the topic has and the store has not gets a bare document with the version that was told: its events
    come again by `line.events` and fill it, and what is published then is newer than what others have.

    It may be run again. Memory does not grow with the members.

    Args:
        database: binding's, no process of which runs.
        published: member.state from its beginning to its end, in order within a partition.
        erasures: read to their end.
        backed_up_at: when the backup was begun.
        now: the present moment.
    """
    members = MongoMembers(database)
    made = 0
    batch: dict[bytes, Record] = {}
    async for record in published:
        batch[record.key or b""] = record
        if len(batch) >= BATCH:
            made += await _note(members, batch, now)
            batch = {}
    made += await _note(members, batch, now)
    return Lifted(await _publish_again(members, now), made, await _erase_again(members, erasures, backed_up_at, now))


async def _note(members: MongoMembers, batch: Mapping[bytes, Record], now: datetime) -> int:
    """Write down what the topic has of some members; return how many of them were not there."""
    changes = [_change(key.decode(), record, now) for key, record in sorted(batch.items())]
    if not changes:
        return 0
    result = await members.collection.bulk_write(changes, ordered=False)
    return int(result.upserted_count)


def _change(member_id: str, record: Record, now: datetime) -> UpdateOne:
    if record.value is None:
        return UpdateOne({"_id": member_id}, {"$set": {"gone": True}})
    told = _TOLD.decode(record.value)
    bare = _bare(told, now)
    return UpdateOne(
        {"_id": member_id},
        {"$setOnInsert": bare, "$max": {"published_version": told.version}, "$unset": {"gone": ""}},
        upsert=True,
    )


def _bare(told: _Told, now: datetime) -> Document:
    return {
        "channel": told.channel,
        "version": told.version,
        "bound": False,
        "contacts": [],
        "history": [],
        "tags": [],
        "tagged": False,
        "created_at": told.created_at,
        "updated_at": now,
        "erased_at": None,
        "pending": [],
    }


async def _publish_again(members: MongoMembers, now: datetime) -> int:
    lifted = 0
    known = members.collection.find({"published_version": {"$gt": 0}}, {"version": 1, "published_version": 1})
    async for entry in known:
        if entry["published_version"] <= entry["version"]:
            continue
        same = {"_id": entry["_id"], "version": entry["version"]}
        await members.collection.update_one(same, {"$set": {"version": entry["published_version"]}})
        member = await members.get(entry["_id"])
        if member is not None:
            await members.save(member, [state_item(member, member.version + 1)], now)
            lifted += 1
    return lifted


async def _erase_again(members: MongoMembers, erasures: Erasures, since: datetime, now: datetime) -> int:
    """Erase whom the topics know as erased: those of a tombstone, and those whose erasure came after the backup."""
    erased = 0
    async for entry in members.collection.find({"erased_at": None}, {"gone": 1, "contact_ids": 1}):
        moments = [erasures.erased_at(identity) for identity in [entry["_id"], *entry.get("contact_ids", [])]]
        if entry.get("gone") or any(moment is not None and moment >= since for moment in moments):
            await _erase(members, entry["_id"], erasures, now)
            erased += 1
    await members.collection.update_many({"gone": True}, {"$unset": {"gone": ""}})
    return erased


async def _erase(members: MongoMembers, member_id: str, erasures: Erasures, now: datetime) -> None:
    member = await members.get(member_id)
    if member is None:
        return
    contacts = erase(member, now)
    items: Sequence[Document] = erasure_items(member, contacts, erasures, now)
    await members.save(member, items, now)
