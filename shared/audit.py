"""Every change by staff, in the service's own database: who, what, on which object, when (design §9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.clock import Now, utcnow
from shared.ids import new_id
from shared.mongo import ASCENDING, DESCENDING, Database, Document, Index

COLLECTION = "audit"
INDEXES = (Index(COLLECTION, [("object", ASCENDING), ("at", ASCENDING)]),)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries: None of a field means any; `since` included, `until` not."""

    who: str | None = None
    action: str | None = None
    object: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> Document:
        """Return it as the store asks for it."""
        named = {"who": self.who, "action": self.action, "object": self.object}
        query: Document = {name: value for name, value in named.items() if value is not None}
        bounds = {"$gte": self.since, "$lt": self.until}
        span = {name: value for name, value in bounds.items() if value is not None}
        return query | ({"at": span} if span else {})


class Audit:
    """Writes and reads the audit log; an entry is written before the change, so that no change goes unnoted."""

    def __init__(self, database: Database, now: Now = utcnow) -> None:
        self._entries = database[COLLECTION]
        self._now = now

    async def note(self, who: str, action: str, about: str, why: str | None = None) -> None:
        """Note that a key's holder does something to an object, and why where they say so; no personal data."""
        entry: Document = {"_id": new_id("aud"), "who": who, "action": action, "object": about, "at": self._now()}
        await self._entries.insert_one(entry | ({} if why is None else {"why": why}))

    async def page(self, wanted: AuditFilter, *, before: str | None, limit: int) -> Sequence[Document]:
        """Return entries, newest first, older than the given id."""
        query = wanted.query() | ({} if before is None else {"_id": {"$lt": before}})
        found = self._entries.find(query).sort("_id", DESCENDING).limit(limit)
        return [entry async for entry in found]
