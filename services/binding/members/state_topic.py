"""Binding reads its own member.state: a slow relay may publish an older snapshot after a newer one (design §5)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member
from shared.consumer import BadRecord, Record


class _Versioned(msgspec.Struct, frozen=True):
    version: int


async def on_member_state(records: Sequence[Record], changes: MemberChanges) -> None:
    """Publish a member's snapshot again where the topic's newest is not the last in order."""
    versions = []
    for record in records:
        if record.value is not None:
            try:
                versions.append(msgspec.json.decode(record.value, type=_Versioned).version)
            except msgspec.DecodeError:
                raise BadRecord("no member snapshot") from None
    member_id = (records[0].key or b"").decode("utf-8", "replace")
    if versions and await changes.store.see_published(member_id, versions):
        await changes.of_member(member_id, _tell_again)


def _tell_again(_: Member) -> Change:
    return Change(tell=True)
