"""Calls that send messages, serialised once: every attempt, also after a restart, sends the same bytes (design §6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from shared.ids import stable_uuid

KeyedApi = Literal["push", "multicast", "narrowcast", "broadcast"]
Message = Mapping[str, Any]
"""A message object as LINE's JSON; `shared.line.messages` checks it, `shared.line.builders` makes typed ones."""

MOST_MESSAGES = 5
MOST_RECIPIENTS = 500
_UNIT = re.compile(r"[A-Za-z0-9_]{1,30}")


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A push, multicast, narrowcast or broadcast with its bytes and retry key: store it, send it, send it again."""

    api: KeyedApi
    channel: str
    retry_key: str
    body: bytes = field(repr=False)


def retry_key(sent_id: str) -> str:
    """Return the retry key of what is sent: from its id, never from its content (design §6)."""
    return str(stable_uuid("line", sent_id))


def prepare_push(
    channel: str,
    to: str,
    messages: Sequence[Message],
    *,
    sent_id: str,
    unit: str | None = None,
    notification_disabled: bool = False,
) -> PreparedCall:
    """Prepare messages for one user, group or room.

    Args:
        channel: the account's slug.
        to: a LINE user, group or room id.
        messages: 1 to 5 message objects.
        sent_id: id of what is sent; the same id is delivered at most once within 24 h.
        unit: aggregation unit, the only way to LINE's statistics of it (LINE: at most 1,000 names a month).
        notification_disabled: deliver without a notification on the phone.

    Raises:
        ValueError: the number of messages or the unit's form is not allowed.
    """
    body = {"to": to} | _content(messages, unit, notification_disabled)
    return PreparedCall("push", channel, retry_key(sent_id), orjson.dumps(body))


def prepare_multicast(
    channel: str,
    to: Sequence[str],
    messages: Sequence[Message],
    *,
    sent_id: str,
    unit: str | None = None,
    notification_disabled: bool = False,
) -> PreparedCall:
    """Prepare the same messages for up to 500 users (LINE: users only; one malformed id refuses them all).

    Raises:
        ValueError: the number of recipients or messages or the unit's form is not allowed.
    """
    check_recipients(to)
    body = {"to": list(to)} | _content(messages, unit, notification_disabled)
    return PreparedCall("multicast", channel, retry_key(sent_id), orjson.dumps(body))


def prepare_narrowcast(
    channel: str,
    messages: Sequence[Message],
    *,
    sent_id: str,
    recipient: Mapping[str, Any] | None = None,
    demographic: Mapping[str, Any] | None = None,
    limit: Mapping[str, Any] | None = None,
    notification_disabled: bool = False,
) -> PreparedCall:
    """Prepare messages for the friends in LINE's audiences; None for `recipient` means all friends.

    Raises:
        ValueError: the number of messages is not allowed.
    """
    body = _content(messages, None, notification_disabled)
    narrowed = None if demographic is None else {"demographic": demographic}
    chosen = {"recipient": recipient, "filter": narrowed, "limit": limit}
    body |= {name: value for name, value in chosen.items() if value is not None}
    return PreparedCall("narrowcast", channel, retry_key(sent_id), orjson.dumps(body))


def prepare_broadcast(
    channel: str, messages: Sequence[Message], *, sent_id: str, notification_disabled: bool = False
) -> PreparedCall:
    """Prepare messages for all friends.

    Raises:
        ValueError: the number of messages is not allowed.
    """
    body = _content(messages, None, notification_disabled)
    return PreparedCall("broadcast", channel, retry_key(sent_id), orjson.dumps(body))


def reply_body(reply_token: str, messages: Sequence[Message], *, notification_disabled: bool = False) -> bytes:
    """Serialise a reply.

    Raises:
        ValueError: the number of messages is not allowed.
    """
    return orjson.dumps({"replyToken": reply_token} | _content(messages, None, notification_disabled))


def check_recipients(user_ids: Sequence[str]) -> None:
    """Refuse a list that LINE would refuse.

    Raises:
        ValueError: LINE takes 1 to 500 user ids in one call.
    """
    if not 1 <= len(user_ids) <= MOST_RECIPIENTS:
        raise ValueError(f"LINE takes 1 to {MOST_RECIPIENTS} user ids in one call, not {len(user_ids)}")


def _content(messages: Sequence[Message], unit: str | None, notification_disabled: bool) -> dict[str, Any]:
    if not 1 <= len(messages) <= MOST_MESSAGES:
        raise ValueError(f"LINE takes 1 to {MOST_MESSAGES} messages in one call, not {len(messages)}")
    content: dict[str, Any] = {"messages": list(messages)}
    if notification_disabled:
        content["notificationDisabled"] = True
    if unit is not None:
        if not _UNIT.fullmatch(unit):
            raise ValueError("an aggregation unit's name is 1 to 30 letters, digits or _")
        content["customAggregationUnits"] = [unit]
    return content
