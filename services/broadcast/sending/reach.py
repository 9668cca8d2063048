"""Who can be sent to, read from broadcast's own projection of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.broadcast.people.store import PEOPLE
from services.broadcast.sending.model import SkipReason
from shared.mongo import Database


class FriendsOnly:
    """LINE delivers to friends only, and silently drops the rest (LINE platform §2.1)."""

    def __init__(self, database: Database) -> None:
        self._people = database[PEOPLE]

    async def unreachable(self, contacts: Sequence[str]) -> Mapping[str, SkipReason]:
        """Return those who are no friends now, and why.

        Most often everybody still is: counting them costs a fifth of reading them.
        """
        among = {"_id": {"$in": list(contacts)}}
        friends = await self._people.count_documents({**among, "following": True})
        if friends == len(contacts):
            return {}
        cursor = self._people.find({**among, "following": {"$ne": True}}, {"following": 1})
        strangers = await cursor.to_list(len(contacts))
        reasons = {each["_id"]: _reason(each.get("following")) for each in strangers}
        if friends + len(reasons) < len(contacts):
            known = await self._people.find(among, {"_id": 1}).to_list(len(contacts))
            reasons |= dict.fromkeys(set(contacts) - {each["_id"] for each in known}, "gone")
        return reasons


def _reason(following: bool | None) -> SkipReason:
    return "blocked" if following is False else "never_followed"
