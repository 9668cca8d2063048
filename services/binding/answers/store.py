"""The states of an answer on its member's outbox: every step a compare-and-set, so that one caller makes the call."""

from __future__ import annotations

from datetime import datetime

from shared.mongo import Collection, Document


class AnswerStates:
    """Moves an answer through its states."""

    def __init__(self, members: Collection) -> None:
        self._members = members

    async def move(
        self, member_id: str, item: Document, state: str, attempted_at: datetime | None, text: str | None = None
    ) -> bool:
        """Move an answer on from the state and attempt it was read in; False where someone else did.

        `text` fixes the final text, so that every later attempt sends the same.
        """
        change: Document = {"state": state, "attempted_at": attempted_at} | ({"text": text} if text else {})
        as_read = {"id": item["id"], "state": item["state"], "attempted_at": item["attempted_at"]}
        result = await self._members.update_one(
            {"_id": member_id, "pending": {"$elemMatch": as_read}},
            {"$set": {f"pending.$[item].{name}": value for name, value in change.items()}},
            array_filters=[{"item.id": item["id"]}],
        )
        if result.matched_count:
            item.update(change)
        return bool(result.matched_count)
