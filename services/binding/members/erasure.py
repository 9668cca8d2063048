"""Erasing a person on request (features E13): here, in LINE's menu link, and for everyone who reads the topics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.binding.groups.store import GroupStore
from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member, erase
from services.binding.sources.store import HitStore
from shared import topics
from shared.channels import Channels
from shared.clock import Now, rfc3339
from shared.erasures import Erasures
from shared.ids import split_contact
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Rejected
from shared.mongo import Document
from shared.outbox import publication, tombstone

FORGET = "forget"


def erasure_items(member: Member, contacts: list[str], erasures: Erasures, at: datetime) -> list[Document]:
    """Return what follows from an erasure: everyone who reads the topics is told, LINE's link is taken away."""
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
        return Change(sends=erasure_items(member, contacts, erasures, now()), touched=True)

    return await changes.of_member(member_id, decide) is not None


@dataclass(frozen=True)
class Traces:
    """Where else a contact may have left something."""

    hits: HitStore
    groups: GroupStore
    line: LineClient
    channels: Channels


async def forget_contacts(contacts: list[str], traces: Traces) -> bool:
    """Delete what else there is of erased contacts, here and at LINE; False where LINE must be asked again later."""
    for contact in contacts:
        await traces.hits.forget(contact)
        await traces.groups.forget(contact)
        channel, user_id = split_contact(contact)
        if traces.channels.get(channel) is None:
            continue
        match await traces.line.menus.unlink(channel, user_id):
            case Accepted() | Rejected():
                continue
            case _:
                return False
    return True
