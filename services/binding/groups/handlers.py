"""Events of a group or room: registered, never answered here, never counted as friends (features F90)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from services.binding.groups.store import GroupStore
from shared.arrivals import Arrived

_USER_ID = re.compile(r"U[0-9a-f]{32}")


def _user_ids(event: dict[str, Any], part: str) -> list[str]:
    members = event.get(part, {}).get("members", [])
    ids = [member.get("userId") for member in members if isinstance(member, dict)]
    return [user_id for user_id in ids if isinstance(user_id, str) and _USER_ID.fullmatch(user_id)]


async def apply_group_events(contact_id: str, arrived: Sequence[Arrived], groups: GroupStore) -> None:
    """Apply the events of one group; each write is idempotent and keeps the newest by event time."""
    for item in arrived:
        event = item.event
        await groups.see(contact_id, event.kind or "group", event.at)
        if event.type in {"join", "leave"}:
            await groups.set_joined(contact_id, event.type == "join", event.at)
        elif event.type == "memberJoined":
            await groups.set_members(contact_id, dict.fromkeys(_user_ids(event.body, "joined"), True), event.at)
        elif event.type == "memberLeft":
            await groups.set_members(contact_id, dict.fromkeys(_user_ids(event.body, "left"), False), event.at)
