"""LINE's webhook events as LINE builds them: same fields and order, absent values absent (REF "Webhooks")."""

from __future__ import annotations

import secrets
from typing import Any

from shared.ids import ulid
from simulator.world.account import Account
from simulator.world.chats import Group
from simulator.world.world import World

Event = dict[str, Any]
Source = dict[str, str]


def user_source(user_id: str) -> Source:
    """Return the source of a one-on-one event."""
    return {"type": "user", "userId": user_id}


def chat_of(source: Source) -> str:
    """Return the id of the chat an event happened in."""
    return source.get("groupId") or source.get("roomId") or source["userId"]


def make_event(
    world: World,
    account: Account,
    kind: str,
    payload: dict[str, Any] | None = None,
    *,
    source: Source | None = None,
    answerable: bool = False,
) -> Event:
    """Build an event of now; an answerable one carries a fresh reply token."""
    millis = world.millis()
    event_id = ulid(millis)
    event: Event = {"type": kind}
    if payload is not None:
        event[_PAYLOAD_NAMES.get(kind, kind)] = payload
    event["webhookEventId"] = event_id
    event["deliveryContext"] = {"isRedelivery": False}
    event["timestamp"] = millis
    if source is not None:
        event["source"] = source
        if answerable:
            event["replyToken"] = world.reply_tokens.issue(account.slug, chat_of(source), event_id)
    event["mode"] = "active"
    return event


_PAYLOAD_NAMES = {
    "messageEdited": "message",
    "memberJoined": "joined",
    "memberLeft": "left",
    "accountLink": "link",
}


def message_event(world: World, account: Account, message: dict[str, Any], source: Source) -> Event:
    """Build a message event; `message` holds id, type and content, the tokens are added here."""
    told = {"id": message["id"], "type": message["type"]}
    if message["type"] not in ("audio", "file", "location"):
        told["quoteToken"] = world.quote_token()
    told["markAsReadToken"] = secrets.token_urlsafe(24)
    told.update(message)
    return make_event(world, account, "message", told, source=source, answerable=True)


def group_source(group: Group, user_id: str | None = None) -> Source:
    """Return the source of an event in a group or multi-person chat."""
    return group.source(user_id)
