"""Reply, push, multicast and broadcast (REF "Message"). A refused call sends nothing to anybody."""

from __future__ import annotations

import re
import uuid
from typing import Any

from starlette.routing import BaseRoute

from simulator.line import errors
from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError, bad_property, body_errors
from simulator.line.messages import MessageCheck
from simulator.world.accepts import Accept
from simulator.world.account import Account, may_receive
from simulator.world.chats import ChatLine

USER_ID = re.compile(r"U[0-9a-f]{32}")
_CHAT_ID = re.compile(r"[UCR][0-9a-f]{32}")
_UNIT = re.compile(r"[A-Za-z0-9_]{1,30}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_RECIPIENTS = 500
"""LINE: multicast takes at most 500 user ids."""

checked = MessageCheck()


def retry_key(call: Call) -> str | None:
    """Return the call's retry key.

    Raises:
        LineError: 400 for one that is no UUID; 409 for one already accepted, with the accepted request's id.
    """
    key = call.header("x-line-retry-key")
    if key is None:
        return None
    if not _UUID.fullmatch(key):
        raise LineError(400, "Invalid retry key")
    key = str(uuid.UUID(key))
    known = call.account.retry_keys.find(key)
    if known is not None:
        request_id, sent = known
        extra = {} if sent is None else {"sentMessages": sent}
        headers = {"x-line-accepted-request-id": request_id}
        raise LineError(409, "The retry key is already accepted", headers=headers, extra=extra)
    return key


def units_of(body: dict[str, Any]) -> list[str]:
    """Return the aggregation unit names. LINE: at most one, up to 30 of `[A-Za-z0-9_]`."""
    units = body.get("customAggregationUnits")
    if units is None:
        return []
    if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
        raise bad_property("customAggregationUnits")
    if len(units) > 1:
        raise body_errors(("Size must be between 0 and 1", "customAggregationUnits"))
    if units and not _UNIT.fullmatch(units[0]):
        raise body_errors(("must match [a-zA-Z0-9_]{1,30}", "customAggregationUnits[0]"))
    return units


def check_notification(body: dict[str, Any]) -> None:
    """Refuse a `notificationDisabled` that is no boolean."""
    if not isinstance(body.get("notificationDisabled", False), bool):
        raise bad_property("notificationDisabled")


def lines_of(call: Call, messages: list[dict[str, Any]]) -> tuple[list[ChatLine], list[dict[str, str]]]:
    """Make the chat lines and the `sentMessages` of an accepted call, in the order sent."""
    now, lines, sent = call.world.now(), [], []
    for message in messages:
        message_id = call.world.message_id()
        lines.append(ChatLine(now, "bot", message, message_id, call.request_id))
        told = {"id": message_id}
        if message["type"] not in ("audio", "location", "imagemap"):
            told["quoteToken"] = call.world.quote_token()
        sent.append(told)
    return lines, sent


def write_all(call: Call, chat_id: str, lines: list[ChatLine]) -> None:
    """Put lines into one chat."""
    for line in lines:
        call.world.write(call.account, chat_id, line)


def record(
    call: Call,
    to: tuple[str, ...],
    delivered: tuple[str, ...],
    messages: list[dict[str, Any]],
    digest: str,
    *,
    key: str | None = None,
    sent: list[dict[str, str]] | None = None,
    reply_event_id: str | None = None,
) -> None:
    """Enter an accepted send into the accept log and the day's counters, and remember its retry key."""
    entry = Accept(call.api, call.account.slug, call.request_id, call.world.now(), to)
    entry.delivered_to = delivered
    entry.digest = digest
    entry.kinds = tuple(message["type"] for message in messages)
    entry.retry_key = key
    entry.reply_event_id = reply_event_id
    call.world.accepts.add(entry)
    call.account.days.add(call.api, len(delivered))
    if key is not None:
        call.account.retry_keys.accept(key, call.request_id, sent)


def reply(call: Call) -> Answer:
    """LINE: one use of a fresh reply token, no quota, no retry key."""
    if call.header("x-line-retry-key") is not None:
        raise LineError(400, "The retry key can't be used with this endpoint")
    body = call.json()
    digest = checked.digest(body.get("messages"))
    check_notification(body)
    token = body.get("replyToken")
    if not isinstance(token, str) or not token:
        raise body_errors(("May not be empty", "replyToken"))
    known = call.world.reply_tokens.peek(token, call.account.slug)
    if known is None:
        raise LineError(400, "Invalid reply token")
    call.world.reply_tokens.spend(token)
    lines, sent = lines_of(call, body["messages"])
    friendship = call.account.friends.get(known.chat_id)
    arrives = friendship is None or not friendship.blocked
    if arrives:
        write_all(call, known.chat_id, lines)
    delivered = (known.chat_id,) if arrives else ()
    record(call, (known.chat_id,), delivered, body["messages"], digest, reply_event_id=known.event_id)
    return Answer({"sentMessages": sent})


def people_reached(account: Account, chat_id: str, now: float) -> int | None:
    """Return how many people a push to a chat counts for; None where LINE knows no such chat."""
    if chat_id[0] == "U":
        friendship = account.friends.get(chat_id)
        return int(may_receive(friendship, now))
    group = account.groups.get(chat_id)
    return len(group.members) if group is not None and group.bot_in else None


def push(call: Call) -> Answer:
    """LINE: one user, group or multi-person chat; silent 200 for those who blocked the account."""
    key = retry_key(call)
    body = call.json()
    digest = checked.digest(body.get("messages"))
    check_notification(body)
    units = units_of(body)
    to = body.get("to")
    if to is None or to == "":
        raise body_errors(("May not be empty", "to"))
    if not isinstance(to, str) or not _CHAT_ID.fullmatch(to):
        raise bad_property("to")
    people = people_reached(call.account, to, call.world.now())
    if people is None or (to[0] == "U" and call.world.people.get(to) is None):
        raise LineError(400, "Failed to send messages")
    spend_quota(call.account, people)
    lines, sent = lines_of(call, body["messages"])
    if people:
        write_all(call, to, lines)
    record(call, (to,), (to,) if people else (), body["messages"], digest, key=key, sent=sent)
    for unit in units:
        call.account.units.assign(unit, people)
    return Answer({"sentMessages": sent})


def spend_quota(account: Account, people: int) -> None:
    """Count people against the month's limit.

    Raises:
        LineError: 429 when the limit would be passed.
    """
    if not account.quota.allows(people):
        raise LineError(429, errors.QUOTA_EXHAUSTED)
    account.quota.count(people)


def multicast(call: Call) -> Answer:
    """LINE: 1 to 500 user ids; one malformed or unknown id and nobody receives; strangers and blockers silently not."""
    key = retry_key(call)
    body = call.json()
    digest = checked.digest(body.get("messages"))
    check_notification(body)
    units = units_of(body)
    to = recipients(body.get("to"), "to", MOST_RECIPIENTS)
    people = call.world.people
    for index, user_id in enumerate(to):
        if people.get(user_id) is None:
            raise LineError(400, f"The property, to[{index}], in the request body is invalid (line: -, column: -)")
    distinct = dict.fromkeys(to)
    reach = call.account.reach
    delivered = tuple(user_id for user_id in distinct if user_id in reach)
    spend_quota(call.account, len(delivered))
    lines, _ = lines_of(call, body["messages"])
    for user_id in delivered:
        write_all(call, user_id, lines)
    record(call, tuple(to), delivered, body["messages"], digest, key=key)
    for unit in units:
        call.account.units.assign(unit, len(delivered))
    return Answer()


def recipients(ids: Any, name: str, most: int) -> list[str]:
    """Return a list of user ids of the right form and number.

    Raises:
        LineError: 400, naming the place.
    """
    if ids is None:
        raise body_errors(("May not be empty", name))
    if not isinstance(ids, list):
        raise bad_property(name)
    if not 1 <= len(ids) <= most:
        raise body_errors((f"Size must be between 1 and {most}", name))
    form = USER_ID.fullmatch
    for index, user_id in enumerate(ids):
        if not isinstance(user_id, str) or not form(user_id):
            raise LineError(400, f"The property, {name}[{index}], in the request body is invalid (line: -, column: -)")
    return ids


def broadcast(call: Call) -> Answer:
    """LINE: everybody who is a friend and has not blocked the account."""
    key = retry_key(call)
    body = call.json()
    digest = checked.digest(body.get("messages"))
    check_notification(body)
    delivered = tuple(call.account.reach)
    spend_quota(call.account, len(delivered))
    lines, _ = lines_of(call, body["messages"])
    for user_id in delivered:
        write_all(call, user_id, lines)
    record(call, (), delivered, body["messages"], digest, key=key)
    call.account.sendings[call.request_id] = {"at": call.world.now(), "delivered": len(delivered), "lines": lines}
    return Answer()


ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/message/reply", reply, "reply"),
    line_route("/v2/bot/message/push", push, "push"),
    line_route("/v2/bot/message/multicast", multicast, "multicast", limit=Limit(200)),
    line_route("/v2/bot/message/broadcast", broadcast, "broadcast", limit=Limit(60, 3600)),
]
