"""The states of an answer on its document's outbox: every step a compare-and-set, so that one caller makes the call."""

from __future__ import annotations

from datetime import datetime

from shared.mongo import Collection, Document


class AnswerStates:
    """Moves an answer through its states."""

    def __init__(self, documents: Collection) -> None:
        self._documents = documents

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
