"""Every change by staff, in the service's own database: who, what, on which object, when (design §9)."""

from __future__ import annotations

from shared.clock import Now, utcnow
from shared.ids import new_id
from shared.mongo import ASCENDING, Database, Index

COLLECTION = "audit"
INDEXES = (Index(COLLECTION, [("object", ASCENDING), ("at", ASCENDING)]),)


class Audit:
    """Writes the audit log; an entry is written before the change, so that no change goes unnoted."""

    def __init__(self, database: Database, now: Now = utcnow) -> None:
        self._entries = database[COLLECTION]
        self._now = now

    async def note(self, who: str, action: str, about: str) -> None:
        """Note that a key's holder does something to an object; no personal data."""
        await self._entries.insert_one(
            {"_id": new_id("aud"), "who": who, "action": action, "object": about, "at": self._now()}
        )
