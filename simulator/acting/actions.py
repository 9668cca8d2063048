"""What a user does one-on-one with an account: each action changes the world and yields the events LINE would send."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from simulator.webhooks.events import Event, make_event, message_event, user_source
from simulator.world.account import Account
from simulator.world.chats import ChatLine
from simulator.world.drawing import sample_photo
from simulator.world.people import Person
from simulator.world.world import World, news

Params = dict[str, Any]
_PHOTO = sample_photo()
_SAMPLE_MEDIA = {
    "image": (_PHOTO, "image/png"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
    "audio": (b"\0\0\0\x1cftypM4A \0\0\0\0M4A mp42isom", "audio/x-m4a"),
    "file": (b"%PDF-1.4\n%%EOF\n", "application/pdf"),
}
MOST_TEXT = 5000


class BadAction(ValueError):
    """The action cannot be done; the text says what is allowed."""


def _text(params: Params, key: str, most: int | None = None, usual: str | None = None) -> str:
    value = params.get(key, usual)
    if not isinstance(value, str) or not value:
        raise BadAction(f"`{key}` must be a text that is not empty")
    if most is not None and len(value) > most:
        raise BadAction(f"`{key}` may have at most {most} characters")
    return value


def follow(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Add the account as a friend, or unblock it. Nothing happens to one who is a friend already."""
    friendship = account.friendship(person.user_id)
    if friendship.is_friend:
        return []
    was_blocked, was_friend = friendship.blocked, friendship.added
    friendship.added, friendship.blocked = True, False
    if friendship.added_at is None:
        friendship.added_at = world.now()
    account.reach[person.user_id] = None
    if not was_friend:
        account.days.add("adds")
    if was_blocked:
        account.days.add("unblocks")
    _tell_state(world, account, person)
    source = user_source(person.user_id)
    return [make_event(world, account, "follow", {"isUnblocked": was_blocked}, source=source, answerable=True)]


def block(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Block the account. LINE tells so by `unfollow`."""
    friendship = account.friendship(person.user_id)
    if friendship.blocked:
        return []
    friendship.blocked = True
    account.reach.pop(person.user_id, None)
    account.days.add("blocks")
    _tell_state(world, account, person)
    return [make_event(world, account, "unfollow", source=user_source(person.user_id))]


def _tell_state(world: World, account: Account, person: Person) -> None:
    state = account.friendship(person.user_id).state
    world.feed.tell(
        account.slug, person.user_id, news("state", state=state, richMenuId=account.menu_of(person.user_id))
    )


def _say(world: World, account: Account, person: Person, message: dict[str, Any]) -> list[Event]:
    """Send one message; what a blocker types does not leave the phone."""
    friendship = account.friendship(person.user_id)
    if friendship.blocked:
        raise BadAction("the user has blocked the account and must unblock it first")
    friendship.last_wrote_at = world.now()
    world.write(account, person.user_id, ChatLine(world.now(), person.user_id, message, message["id"]))
    return [message_event(world, account, message, user_source(person.user_id))]


def text(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Type a text (`text`; `quoted_message_id` where it quotes one)."""
    message = {"id": world.message_id(), "type": "text", "text": _text(params, "text", MOST_TEXT)}
    if quoted := params.get("quoted_message_id"):
        message["quotedMessageId"] = str(quoted)
    return _say(world, account, person, message)


def sticker(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Send a sticker (`package_id`, `sticker_id`)."""
    message = {
        "id": world.message_id(),
        "type": "sticker",
        "packageId": str(params.get("package_id", "446")),
        "stickerId": str(params.get("sticker_id", "1988")),
        "stickerResourceType": "STATIC",
        "keywords": params.get("keywords", ["hello"]),
    }
    return _say(world, account, person, message)


def location(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Send a place (`title`, `address`, `latitude`, `longitude`)."""
    message: dict[str, Any] = {"id": world.message_id(), "type": "location"}
    message |= {key: params[key] for key in ("title", "address") if params.get(key)}
    for key, usual in (("latitude", 25.0339), ("longitude", 121.5645)):
        value = params.get(key, usual)
        if not isinstance(value, (int, float)):
            raise BadAction(f"`{key}` must be a number")
        message[key] = value
    return _say(world, account, person, message)


def media_of(kind: str, params: Params) -> tuple[bytes, str]:
    """Return bytes and media type of what is sent: `data` (base64) and `media_type`, or a sample."""
    sample, media_type = _SAMPLE_MEDIA[kind]
    encoded = params.get("data")
    if encoded is None:
        return sample, str(params.get("media_type", media_type))
    try:
        return base64.b64decode(encoded, validate=True), str(params.get("media_type", media_type))
    except (binascii.Error, TypeError, ValueError):
        raise BadAction("`data` must be base64") from None


def media_message(world: World, account: Account, kind: str, params: Params) -> dict[str, Any]:
    """Keep the content and return its message object (`prepare_ms`: how long LINE answers 202 for it)."""
    data, media_type = media_of(kind, params)
    message_id = world.message_id()
    world.content.put(message_id, account.slug, kind, data, media_type, int(params.get("prepare_ms", 0)))
    message: dict[str, Any] = {"id": message_id, "type": kind}
    if kind == "file":
        return message | {"fileName": str(params.get("file_name", "document.pdf")), "fileSize": len(data)}
    if kind in ("video", "audio"):
        message["duration"] = int(params.get("duration", 4000))
    message["contentProvider"] = {"type": "line"}
    return message


def _media(kind: str) -> Callable[[World, Account, Person, Params], list[Event]]:
    def send(world: World, account: Account, person: Person, params: Params) -> list[Event]:
        message = media_message(world, account, kind, params)
        if kind == "image" and "image_set" in params:
            message["imageSet"] = params["image_set"]
        return _say(world, account, person, message)

    send.__doc__ = f"Send {kind} content (`data` in base64 and `media_type`, or a sample)."
    return send


def postback(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Press a postback button (`data`, `params` of a date picker or menu switch, `display_text` shown in the chat)."""
    if account.friendship(person.user_id).blocked:
        raise BadAction("the user has blocked the account and must unblock it first")
    payload: dict[str, Any] = {"data": _text(params, "data", 300)}
    if params.get("params"):
        payload["params"] = params["params"]
    if shown := params.get("display_text"):
        line = {"id": world.message_id(), "type": "text", "text": str(shown)}
        world.write(account, person.user_id, ChatLine(world.now(), person.user_id, line, line["id"]))
    source = user_source(person.user_id)
    return [make_event(world, account, "postback", payload, source=source, answerable=True)]


def menu_switch(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Tap a rich menu area of type richmenuswitch (`alias`, `data`)."""
    alias = _text(params, "alias", 32)
    menu_id = account.menus.aliases.get(alias)
    result: dict[str, str] = {}
    if menu_id is None:
        result["status"] = "RICHMENU_ALIAS_ID_NOTFOUND"
    elif menu_id not in account.menus.by_id:
        result["status"] = "RICHMENU_NOTFOUND"
    else:
        account.friendship(person.user_id).rich_menu_id = menu_id
        result = {"newRichMenuAliasId": alias, "status": "SUCCESS"}
        world.feed.tell(account.slug, person.user_id, news("menu", richMenuId=menu_id))
    payload = {"data": _text(params, "data", 300), "params": result}
    source = user_source(person.user_id)
    return [make_event(world, account, "postback", payload, source=source, answerable=True)]


def unsend(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Take a message back (`message_id`; default: the last one the user wrote)."""
    chat = account.friendship(person.user_id).chat
    own = [line.message_id for line in chat.lines if line.sender == person.user_id]
    message_id = str(params.get("message_id") or (own[-1] if own else ""))
    if message_id not in own:
        raise BadAction("`message_id` must name a message that the user sent and that is still in the chat")
    chat.drop(message_id)
    world.content.unsend(message_id)
    world.feed.tell(account.slug, person.user_id, news("unsent", id=message_id))
    return [make_event(world, account, "unsend", {"messageId": message_id}, source=user_source(person.user_id))]


def video_complete(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Watch a video to its end (`tracking_id`)."""
    payload = {"trackingId": _text(params, "tracking_id", 100)}
    source = user_source(person.user_id)
    return [make_event(world, account, "videoPlayComplete", payload, source=source, answerable=True)]


def beacon(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Come near a beacon (`hwid`, `type`: enter, banner or stay)."""
    payload = {"hwid": _text(params, "hwid", 10, "0a1b2c3d4e"), "type": params.get("type", "enter")}
    source = user_source(person.user_id)
    return [make_event(world, account, "beacon", payload, source=source, answerable=True)]


def membership(world: World, account: Account, person: Person, params: Params) -> list[Event]:
    """Join, renew or leave a paid membership plan (`type`, `membership_id`)."""
    payload = {"type": params.get("type", "joined"), "membershipId": int(params.get("membership_id", 4101))}
    source = user_source(person.user_id)
    return [make_event(world, account, "membership", payload, source=source, answerable=True)]


Action = Callable[[World, Account, Person, Params], list[Event]]

ACTIONS: dict[str, Action] = {
    "follow": follow,
    "add": follow,
    "unblock": follow,
    "block": block,
    "text": text,
    "sticker": sticker,
    "location": location,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _media("audio"),
    "file": _media("file"),
    "postback": postback,
    "menu_switch": menu_switch,
    "unsend": unsend,
    "video_complete": video_complete,
    "beacon": beacon,
    "membership": membership,
}
