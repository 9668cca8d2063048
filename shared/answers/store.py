"""The states of an answer on its document's outbox: every step a compare-and-set, so that one caller makes the call."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.mongo import Collection, Document

RESTORES = "restores"
"""Collection of one document, `{_id: "last", at}`: when the database was brought back from a backup."""
LAST_RESTORE = "last"
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class AnswerStates:
    """Moves an answer through its states."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents
        self._restored_at: datetime | None = None

    async def restored_at(self) -> datetime:
        """Return when the store was brought back from a backup, which cannot happen while a process runs.

        What came in before may have been answered, and the store does not know it any more.
        """
        if self._restored_at is None:
            found = await self._documents.database[RESTORES].find_one({"_id": LAST_RESTORE})
            self._restored_at = NEVER if found is None else found["at"]
        return self._restored_at

    async def move(
        self,
        document_id: str,
        item: Document,
        state: str,
        attempted_at: datetime | None,
        messages: list[Document] | None = None,
    ) -> bool:
        """Move an answer on from the state and attempt it was read in; False where someone else did.

        `messages` fixes what is said, so that every later attempt sends the same.
        """
        change: Document = {"state": state, "attempted_at": attempted_at} | ({"messages": messages} if messages else {})
        as_read = {"id": item["id"], "state": item["state"], "attempted_at": item["attempted_at"]}
        result = await self._documents.update_one(
            {"_id": document_id, "pending": {"$elemMatch": as_read}},
            {"$set": {f"pending.$[item].{name}": value for name, value in change.items()}},
            array_filters=[{"item.id": item["id"]}],
        )
        if result.matched_count:
            item.update(change)
        return bool(result.matched_count)
