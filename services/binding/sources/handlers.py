"""Source hits from web.events, and the join of a follow to its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member, attribute
from services.binding.sources.model import Hit, led_to
from services.binding.sources.store import HitStore
from shared.channels import Channels
from shared.consumer import BadRecord, Record
from shared.events import WEB_EVENT, SourceHit


@dataclass(frozen=True)
class SourceDeps:
    """What the handlers need."""

    hits: HitStore
    changes: MemberChanges
    channels: Channels


async def on_web_events(records: Sequence[Record], deps: SourceDeps) -> None:
    """Keep source hits, and join one to its contact's follow where that was earlier here; the rest is others'.

    A hit and its follow come by different topics, so whichever is handled last must see the other: here the hit is
    stored before the member is read; there the member is stored before the hits are.
    """
    for record in records:
        event = _read(record)
        if not isinstance(event, SourceHit) or event.robot or deps.channels.get(event.channel) is None:
            continue
        hit = Hit(event.id, event.channel, event.source, event.occurred_at, event.contact)
        await deps.hits.add(hit)
        member = await deps.changes.store.by_contact(hit.contact) if hit.contact else None
        if member is not None and hit.contact is not None:
            followed_at = member.contacts[hit.contact].followed_at
            if followed_at is not None and led_to(hit, followed_at):
                await join(member.id, hit.contact, followed_at, hit.source, verified=True, changes=deps.changes)


def _read(record: Record) -> object:
    try:
        return WEB_EVENT.validate_json(record.value or b"")
    except ValidationError as error:
        if any(problem["type"] == "union_tag_invalid" for problem in error.errors(include_input=False)):
            return None
        raise BadRecord(f"no web event: {error.error_count()} fields are wrong") from None


async def find_source(member_id: str, contact_id: str, followed_at: datetime, deps: SourceDeps) -> None:
    """Look for the source of a follow that has just been stored."""
    hit = await deps.hits.leading_to(contact_id, followed_at)
    if hit is not None:
        verified = hit.contact is not None
        await join(member_id, contact_id, followed_at, hit.source, verified=verified, changes=deps.changes)


async def join(
    member_id: str, contact_id: str, followed_at: datetime, source: str, *, verified: bool, changes: MemberChanges
) -> None:
    """Write the source onto the contact's follow, once; a second call changes nothing."""

    def decide(member: Member) -> Change:
        contact = member.contacts.get(contact_id)
        if contact is None or contact.followed_at != followed_at:
            return Change()
        return Change(facts=list(attribute(member, contact, source, verified=verified)))

    await changes.of_member(member_id, decide)
