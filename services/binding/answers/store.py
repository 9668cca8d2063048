"""The states of an answer on its member's outbox: every step a compare-and-set, so that one caller makes the call."""

from __future__ import annotations

from datetime import datetime

from shared.mongo import Collection, Document


class AnswerStates:
    """Moves an answer through its states."""

    def __init__(self, members: Collection) -> None:
        self._members = members

    async def move(self, member_id: str, item: Document, state: str, attempted_at: datetime | None) -> bool:
        """Move an answer on from the state and attempt it was read in; False where someone else did."""
        as_read = {"id": item["id"], "state": item["state"], "attempted_at": item["attempted_at"]}
        result = await self._members.update_one(
            {"_id": member_id, "pending": {"$elemMatch": as_read}},
            {"$set": {"pending.$.state": state, "pending.$.attempted_at": attempted_at}},
        )
        if result.matched_count:
            item["state"], item["attempted_at"] = state, attempted_at
        return bool(result.matched_count)
