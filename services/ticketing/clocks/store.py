"""Where opening hours are kept: one document an account, changed by compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.ticketing.clocks.hours import OpeningHours
from services.ticketing.clocks.model import Desk
from shared.channels import Channels
from shared.mongo import Database, Document, DuplicateKeyError

COLLECTION = "hours"


@dataclass(frozen=True, slots=True)
class StoredHours:
    """An account's hours, who wrote them and when."""

    channel: str
    version: int
    hours: OpeningHours
    updated_at: datetime
    updated_by: str


class MongoHours:
    """Opening hours in MongoDB."""

    def __init__(self, database: Database, channels: Channels) -> None:
        self._hours = database[COLLECTION]
        self._channels = channels

    async def get(self, channel: str) -> StoredHours | None:
        """Return an account's hours, None where nobody configured any."""
        document = await self._hours.find_one({"_id": channel})
        if document is None:
            return None
        hours = OpeningHours.model_validate(document["hours"])
        return StoredHours(channel, document["version"], hours, document["updated_at"], document["updated_by"])

    async def desk(self, channel: str) -> Desk:
        """Return the desk of an account: one without hours, or no longer served, works all the time."""
        account = self._channels.get(channel)
        stored = await self.get(channel) if account is not None else None
        return stored.hours.desk(account) if stored is not None and account is not None else Desk()

    async def save(self, hours: StoredHours) -> bool:
        """Write hours in the place of the version before theirs (1: the first); False where that is not the stored."""
        content: Document = {
            "version": hours.version,
            "hours": hours.hours.model_dump(mode="json"),
            "updated_at": hours.updated_at,
            "updated_by": hours.updated_by,
        }
        if hours.version > 1:
            before = {"_id": hours.channel, "version": hours.version - 1}
            return bool((await self._hours.update_one(before, {"$set": content})).matched_count)
        try:
            await self._hours.insert_one({"_id": hours.channel, **content})
        except DuplicateKeyError:
            return False
        return True
