"""Checks of message objects against LINE's limits, before anything is stored (LINE platform §2.8).

LINE itself validates some of this (`Sending.validate`); what it lets pass it refuses later, in the middle of a
campaign. Members that LINE may have added since are left alone, unknown types are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import regex

from shared.line.actions import QUICK_REPLY_ACTION, RICH_MENU_ACTION
from shared.line.flex import FLEX
from shared.line.prepared import MOST_MESSAGES
from shared.line.rules import (
    Problem,
    Rule,
    Spot,
    by_type,
    fields,
    flag,
    graphemes,
    items,
    link,
    number,
    one_of,
    text,
    then,
    url,
)
from shared.line.templates import TEMPLATE

MOST_TEXT = 5000
MOST_ALT_TEXT = 1500
MOST_EMOJIS = 20
MOST_MENTIONS = 20
MOST_SUBSTITUTIONS = 100
_PLACEHOLDER = regex.compile(r"\{\{|\}\}|\{(?P<key>[^{}]*)\}|[{}]")
_SUBSTITUTION_KEY = regex.compile(r"[0-9A-Za-z_]{1,20}")


def _placed_emojis(message: Any, at: Spot) -> Iterator[Problem]:
    units = message["text"].encode("utf-16-le")
    for index, emoji in enumerate(message.get("emojis") or ()):
        place = emoji["index"] * 2
        if units[place : place + 2] != b"$\0":
            spot = at.child("emojis").child(index).child("index")
            yield spot.problem("must point at a $ in the text, counted in UTF-16 units from 0")


def _substitutions(value: Any, at: Spot) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield at.problem("must be an object")
        return
    if len(value) > MOST_SUBSTITUTIONS:
        yield at.problem(f"must have at most {MOST_SUBSTITUTIONS} members, has {len(value)}")
    for key, each in value.items():
        if not _SUBSTITUTION_KEY.fullmatch(key):
            yield at.child(key).problem("a key must be 1 to 20 letters, digits or _")
        yield from _SUBSTITUTION(each, at.child(key))


def _placeholders(message: Any, at: Spot) -> Iterator[Problem]:
    substitution = message.get("substitution") or {}
    used = {"mention": 0, "emoji": 0}
    for found in _PLACEHOLDER.finditer(message["text"]):
        key = found["key"]
        if found[0] in "{}":
            yield at.child("text").problem("a single brace must be written double: {{ or }}")
        elif key is not None and key not in substitution:
            yield at.child("text").problem(f"{{{key[:20]}}} has no entry in substitution")
        elif key is not None:
            used[substitution[key]["type"]] += 1
    for kind, most in (("mention", MOST_MENTIONS), ("emoji", MOST_EMOJIS)):
        if used[kind] > most:
            yield at.child("text").problem(f"must have at most {most} placeholders of type {kind}, has {used[kind]}")


_MENTIONEE = by_type({"user": fields({"userId": text()}), "all": fields({})})
_SUBSTITUTION = by_type(
    {
        "mention": fields({"mentionee": _MENTIONEE}),
        "emoji": fields({"productId": text(), "emojiId": text()}),
    }
)
_EMOJI = fields({"index": number(0), "productId": text(), "emojiId": text()})
_ALT_TEXT = text(MOST_ALT_TEXT)
_AREA = fields({side: number(0) for side in ("x", "y", "width", "height")})
_LINK_URI = link(1000, "http", "https", "line", "tel")
_IMAGEMAP_ACTION = by_type(
    {
        "uri": fields({"linkUri": _LINK_URI, "area": _AREA}, {"label": text(least=0)}),
        "message": fields({"text": text(400), "area": _AREA}, {"label": text(least=0)}),
        "clipboard": fields({"clipboardText": text(1000), "area": _AREA}, {"label": text(least=0)}),
    }
)
_IMAGEMAP_VIDEO = fields(
    {"originalContentUrl": url, "previewImageUrl": url, "area": _AREA},
    {"externalLink": fields({"linkUri": _LINK_URI, "label": text(30)})},
)
_QUICK_REPLY_ITEM = fields({"action": QUICK_REPLY_ACTION}, {"type": one_of("action"), "imageUrl": url})
_COMMON: dict[str, Rule] = {
    "quickReply": fields({"items": items(_QUICK_REPLY_ITEM, 1, 13)}),
    "sender": fields({}, {"name": text(20), "iconUrl": url}),
}


def _message(required: dict[str, Rule], optional: dict[str, Rule] | None = None) -> Rule:
    return fields(required, {**(optional or {}), **_COMMON})


_MESSAGE = by_type(
    {
        "text": then(
            _message({"text": text(MOST_TEXT)}, {"emojis": items(_EMOJI, 0, MOST_EMOJIS), "quoteToken": text()}),
            _placed_emojis,
        ),
        "textV2": then(
            _message({"text": text(MOST_TEXT)}, {"substitution": _substitutions, "quoteToken": text()}),
            _placeholders,
        ),
        "sticker": _message({"packageId": text(), "stickerId": text()}, {"quoteToken": text()}),
        "image": _message({"originalContentUrl": url, "previewImageUrl": url}),
        "video": _message({"originalContentUrl": url, "previewImageUrl": url}, {"trackingId": text(100)}),
        "audio": _message({"originalContentUrl": url, "duration": number(1)}),
        "location": _message(
            {
                "title": text(100),
                "address": text(100),
                "latitude": number(-90, 90, whole=False),
                "longitude": number(-180, 180, whole=False),
            }
        ),
        "imagemap": _message(
            {
                "baseUrl": url,
                "altText": _ALT_TEXT,
                "baseSize": fields({"width": number(1040, 1040), "height": number(1)}),
                "actions": items(_IMAGEMAP_ACTION, 1, 50),
            },
            {"video": _IMAGEMAP_VIDEO},
        ),
        "template": _message({"altText": _ALT_TEXT, "template": TEMPLATE}),
        "flex": _message({"altText": _ALT_TEXT, "contents": FLEX}),
        "coupon": _message({"couponId": text()}, {"deliveryTag": text(30, form="[A-Za-z0-9_]")}),
    }
)
_MESSAGES = items(_MESSAGE, 1, MOST_MESSAGES)


def _wide_enough(menu: Any, at: Spot) -> Iterator[Problem]:
    size = menu["size"]
    if size["width"] < 1.45 * size["height"]:
        yield at.child("size").problem("width must be at least 1.45 times height")


_RICH_MENU = then(
    fields(
        {
            "size": fields({"width": number(800, 2500), "height": number(250)}),
            "name": text(300, count=graphemes),
            "chatBarText": text(14, count=graphemes),
            "selected": flag,
            "areas": items(fields({"bounds": _AREA, "action": RICH_MENU_ACTION}), 0, 20),
        }
    ),
    _wide_enough,
)


def check_messages(messages: Any, *, pointer: str = "", allow_loopback: bool = False) -> list[Problem]:
    """Return what LINE would refuse in a list of message objects; empty where it would take them.

    Args:
        messages: any JSON, meant to be 1 to 5 message objects.
        pointer: JSON pointer of the list in the caller's document, such as `/messages`.
        allow_loopback: let addresses that LINE fetches be http on this machine, for a stand-in.
    """
    return list(_MESSAGES(messages, Spot(pointer, allow_loopback)))


def check_rich_menu(menu: Any, *, pointer: str = "") -> list[Problem]:
    """Return what LINE would refuse in a rich menu object (LINE platform §5)."""
    return list(_RICH_MENU(menu, Spot(pointer)))
