"""What binding does with LINE's events of one user: the contact and its member, follow, unfollow, account link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.binding.accountlinks.model import LinkOutcome
from services.binding.accountlinks.store import NonceStore
from services.binding.answers.model import LINK_FAILED, LINKED, Purpose, greeting, link_answer
from services.binding.groups.handlers import apply_group_events
from services.binding.groups.store import GroupStore
from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Contact, Member, bind, follow, see, unfollow
from services.binding.members.store import KeyTaken
from services.binding.menus.model import menu_item
from services.binding.sources.model import attribution_item
from shared.arrivals import Arrived, read_events
from shared.channels import Channel, Channels
from shared.clock import Now
from shared.consumer import Record
from shared.events import MemberLinkFailed
from shared.ids import stable_uuid
from shared.line_events import LineEvent

ANSWER_WINDOW = timedelta(hours=1)
"""An older event (a backlog, a replay) is recorded and never answered by a machine (design §2)."""


@dataclass(frozen=True)
class LineEventDeps:
    """What the handler needs."""

    changes: MemberChanges
    nonces: NonceStore
    groups: GroupStore
    channels: Channels
    now: Now


async def on_line_events(records: Sequence[Record], deps: LineEventDeps) -> None:
    """Handle the waiting events of one contact, in order, as one change of its member."""
    arrived = read_events(records)
    first = arrived[0].event
    channel = deps.channels.get(first.channel)
    if first.kind is None:
        await _note_failed_links(arrived, deps)
    elif first.kind == "user" and first.contact is not None:
        await _apply_user_events(first.contact, arrived, channel, deps)
    elif first.contact is not None:
        await apply_group_events(first.contact, arrived, deps.groups)


async def _note_failed_links(arrived: Sequence[Arrived], deps: LineEventDeps) -> None:
    """A failed account link names no user: only its nonce is known, and is of no use any more."""
    for item in arrived:
        if item.event.type == "accountLink":
            nonce = item.event.body.get("link", {}).get("nonce")
            if isinstance(nonce, str):
                await deps.nonces.fail(nonce)


async def _apply_user_events(
    contact_id: str, arrived: Sequence[Arrived], channel: Channel | None, deps: LineEventDeps
) -> None:
    links = {item.event.id: await _claim_link(item.event, contact_id, deps) for item in arrived if _links(item.event)}

    def decide(member: Member) -> Change:
        return apply_events(member, contact_id, arrived, channel, links, deps.now)

    try:
        await deps.changes.of_contact(contact_id, decide)
    except KeyTaken:
        links = {event_id: LinkOutcome(None, "key_taken") for event_id in links}
        await deps.changes.of_contact(contact_id, decide)


def _links(event: LineEvent) -> bool:
    return event.type == "accountLink" and event.body.get("link", {}).get("result") == "ok"


async def _claim_link(event: LineEvent, contact_id: str, deps: LineEventDeps) -> LinkOutcome:
    nonce = event.body["link"].get("nonce")
    if not isinstance(nonce, str):
        return LinkOutcome(None, "unknown_nonce")
    return await deps.nonces.claim(nonce, event.channel, f"{contact_id} {event.id}", event.at)


def apply_events(
    member: Member,
    contact_id: str,
    arrived: Sequence[Arrived],
    channel: Channel | None,
    links: dict[str, LinkOutcome],
    now: Now,
) -> Change:
    """Apply the events that were not applied before to a member, and say what follows."""
    change = Change()
    if contact_id not in member.contacts:
        change.tell = True
    contact = member.contact(contact_id, arrived[0].event.at)
    for item in arrived:
        if item.offset <= contact.offsets.get(item.topic, -1):
            continue
        contact.offsets[item.topic] = item.offset
        change.touched = True
        change.tell |= see(contact, item.event.at)
        _apply(member, contact, item.event, channel, links, now, change)
    return change


def _apply(
    member: Member,
    contact: Contact,
    event: LineEvent,
    channel: Channel | None,
    links: dict[str, LinkOutcome],
    now: Now,
    change: Change,
) -> None:
    fresh = event.answerable and now() - event.at <= ANSWER_WINDOW
    if event.type == "follow":
        _apply_follow(member, contact, event, channel, change, fresh=fresh)
    elif event.type == "unfollow":
        facts = unfollow(member, contact, event.at, event.id)
        change.facts += facts
        change.tell = True
    elif event.type == "accountLink" and event.id in links:
        _apply_link(member, contact, event, channel, links[event.id], change, fresh=fresh)


def _apply_follow(
    member: Member, contact: Contact, event: LineEvent, channel: Channel | None, change: Change, *, fresh: bool
) -> None:
    hint = event.body.get("follow", {}).get("isUnblocked") is True
    followed = follow(member, contact, event.at, event.id, unblocked_hint=hint)
    change.facts += followed.facts
    change.tell = True
    if not followed.news:
        return
    change.sends.append(attribution_item(contact, event))
    if fresh:
        said = greeting(channel, contact, event, returning=followed.returning)
        change.sends += [said] if said else []
    if event.answerable and (member.bound or followed.returning):
        change.sends.append(menu_item(contact, event.id))


def _apply_link(
    member: Member,
    contact: Contact,
    event: LineEvent,
    channel: Channel | None,
    outcome: LinkOutcome,
    change: Change,
    *,
    fresh: bool,
) -> None:
    answer: Purpose = LINKED
    if outcome.customer_key is not None:
        facts = bind(member, outcome.customer_key, "account_link", event.at)
        change.facts += facts
        change.tell = True
        if facts:
            change.sends.append(menu_item(contact, event.id))
    else:
        answer = LINK_FAILED
        change.facts.append(_link_failed(member, contact, event, outcome.problem or "unknown"))
    if fresh and (item := link_answer(channel, contact, event, answer)):
        change.sends.append(item)


def _link_failed(member: Member, contact: Contact, event: LineEvent, reason: str) -> MemberLinkFailed:
    return MemberLinkFailed(
        id=f"mev_{stable_uuid('link_failed', event.id).hex}",
        channel=event.channel,
        occurred_at=event.at,
        member=member.id,
        contact=contact.id,
        reason=reason,
    )
