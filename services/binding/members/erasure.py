"""Erasing a person on request (features E13): here, in LINE's menu link, and for everyone who reads the topics."""

from __future__ import annotations

from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member, erase
from services.binding.sources.store import HitStore
from shared import topics
from shared.clock import Now, rfc3339
from shared.erasures import Erasures
from shared.mongo import Document
from shared.outbox import publication, tombstone

FORGET = "forget"


def _items(member: Member, contacts: list[str], erasures: Erasures, now: Now) -> list[Document]:
    at = now()
    items = []
    for identity in [*contacts, member.id]:
        event = erasures.event(identity, at)
        items.append(publication(topics.ERASURES, event.subject, event, f"erased.{event.subject}.{rfc3339(at)}"))
    items.append(tombstone(topics.MEMBER_STATE, member.id, f"{member.id}.gone.{rfc3339(at)}"))
    items.append({"id": f"{member.id}.forget.{rfc3339(at)}", "do": FORGET, "contacts": contacts})
    return items


async def erase_member(member_id: str, changes: MemberChanges, erasures: Erasures, now: Now) -> bool:
    """Erase a member; False where there is none. What follows from it leaves by the outbox, whatever crashes."""

    def decide(member: Member) -> Change:
        contacts = erase(member, now())
        return Change(sends=_items(member, contacts, erasures, now), touched=True)

    return await changes.of_member(member_id, decide) is not None


async def forget_contacts(contacts: list[str], hits: HitStore) -> None:
    """Delete what else binding keeps about erased contacts."""
    for contact in contacts:
        await hits.forget(contact)
