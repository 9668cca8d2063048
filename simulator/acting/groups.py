"""What happens in groups and multi-person chats that the account is or was in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from simulator.acting.actions import BadAction, Params, media_message
from simulator.webhooks.events import Event, make_event, message_event
from simulator.world.account import Account
from simulator.world.chats import ChatLine, Group
from simulator.world.world import World


def make_group(account: Account, params: Params) -> Group:
    """Make a group (`kind`: group or room, `name`, `members`, `group_id`); the account is not in it yet."""
    kind = params.get("kind", "group")
    if kind not in ("group", "room"):
        raise BadAction("`kind` must be group or room")
    letter = "C" if kind == "group" else "R"
    number = len(account.groups)
    made = letter + hashlib.sha256(f"{account.slug}/{kind}/{number}".encode()).hexdigest()[:32]
    group = Group(str(params.get("group_id", made)), kind, str(params.get("name", f"Group {number + 1}")))
    group.members = dict.fromkeys(params.get("members", ()))
    account.groups[group.group_id] = group
    return group


def join(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Invite the account into the chat."""
    if group.bot_in:
        return []
    group.bot_in = True
    return [make_event(world, account, "join", source=group.source(), answerable=True)]


def leave(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Remove the account from the chat."""
    if not group.bot_in:
        return []
    group.bot_in = False
    return [make_event(world, account, "leave", source=group.source())]


def _members(params: Params) -> list[str]:
    members = params.get("members")
    if not isinstance(members, list) or not members:
        raise BadAction("`members` must be a list of user ids")
    return [str(user_id) for user_id in members]


def member_joined(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Let people join (`members`)."""
    members = _members(params)
    group.members |= dict.fromkeys(members)
    payload = {"members": [{"type": "user", "userId": user_id} for user_id in members]}
    return _if_in(group, make_event(world, account, "memberJoined", payload, source=group.source(), answerable=True))


def member_left(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Let people leave (`members`)."""
    members = _members(params)
    for user_id in members:
        group.members.pop(user_id, None)
    payload = {"members": [{"type": "user", "userId": user_id} for user_id in members]}
    return _if_in(group, make_event(world, account, "memberLeft", payload, source=group.source()))


def _if_in(group: Group, event: Event) -> list[Event]:
    return [event] if group.bot_in else []


def _writer(group: Group, params: Params) -> str:
    user_id = str(params.get("user", ""))
    if user_id not in group.members:
        raise BadAction("`user` must be a member of the chat")
    return user_id


def _write(world: World, account: Account, group: Group, user_id: str, message: dict[str, Any]) -> list[Event]:
    world.write(account, group.group_id, ChatLine(world.now(), user_id, message, message["id"]))
    return _if_in(group, message_event(world, account, message, group.source(user_id)))


def text(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Write a text (`user`, `text`); `mention` (or "@name" of the account in it) mentions the account."""
    user_id, words = _writer(group, params), str(params.get("text", ""))
    if params.get("mention") and f"@{account.name}" not in words:
        words = f"@{account.name} {words}"
    message: dict[str, Any] = {"id": world.message_id(), "type": "text", "text": words}
    mentionees = _mentions(account, words)
    if mentionees:
        message["mention"] = {"mentionees": mentionees}
    return _write(world, account, group, user_id, message)


def _mentions(account: Account, words: str) -> list[dict[str, Any]]:
    name = f"@{account.name}"
    found: list[dict[str, Any]] = []
    if (at := words.find(name)) >= 0:
        place = {"index": _units(words[:at]), "length": _units(name)}
        found.append({**place, "type": "user", "userId": account.destination, "isSelf": True})
    if (at := words.find("@All")) >= 0:
        found.append({"index": _units(words[:at]), "length": 4, "type": "all"})
    return found


def _units(words: str) -> int:
    return len(words.encode("utf-16-le")) // 2


def image(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Send a photo (`user`)."""
    return _write(world, account, group, _writer(group, params), media_message(world, account, "image", params))


def edit(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Edit a text (`user`, `message_id`, `text`). LINE: groups only; same message id, new quote token."""
    user_id, message_id = _writer(group, params), str(params.get("message_id", ""))
    line = group.chat.find(message_id)
    if line is None or line.sender != user_id:
        raise BadAction("`message_id` must name a message that this member wrote")
    words = str(params.get("text", ""))
    line.message["text"] = words
    payload = {"id": message_id, "type": "text", "quoteToken": world.quote_token(), "text": words}
    event = make_event(world, account, "messageEdited", payload, source=group.source(user_id), answerable=True)
    return _if_in(group, event)


def unsend(world: World, account: Account, group: Group, params: Params) -> list[Event]:
    """Take a message back (`user`, `message_id`)."""
    user_id, message_id = _writer(group, params), str(params.get("message_id", ""))
    group.chat.drop(message_id)
    world.content.unsend(message_id)
    event = make_event(world, account, "unsend", {"messageId": message_id}, source=group.source(user_id))
    return _if_in(group, event)


GROUP_ACTIONS: dict[str, Callable[[World, Account, Group, Params], list[Event]]] = {
    "join": join,
    "leave": leave,
    "member_joined": member_joined,
    "member_left": member_left,
    "text": text,
    "image": image,
    "edit": edit,
    "unsend": unsend,
}
