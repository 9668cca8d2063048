"""LINE's limits on message objects that its OpenAPI file leaves out (REF "Message objects")."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import orjson

Problem = tuple[str, str]
Object = dict[str, Any]

_URL_KEYS = (
    "originalContentUrl",
    "previewImageUrl",
    "thumbnailImageUrl",
    "imageUrl",
    "iconUrl",
    "baseUrl",
)
_LOOPBACK = re.compile(r"^http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)")
_ACTION_URI = re.compile(r"^(https?|line|tel):", re.IGNORECASE)


def utf16(text: str) -> int:
    """LINE counts UTF-16 code units: 🍎 is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _extends(char: str) -> bool:
    """Whether a character changes the one before it: accents, variation selectors, skin tones."""
    return bool(unicodedata.combining(char)) or 0xFE00 <= ord(char) <= 0xFE0F or 0x1F3FB <= ord(char) <= 0x1F3FF


def graphemes(text: str) -> int:
    """Count characters as people do (LINE: action labels and texts, template texts, rich menu names)."""
    count, joined = 0, False
    for char in text:
        if char == "\u200d":
            joined = True
        elif joined:
            joined = False
        elif not _extends(char):
            count += 1
    return count


def _length(holder: Object, key: str, most: int, where: str, count: Callable[[str], int] = utf16) -> Iterator[Problem]:
    value = holder.get(key)
    if isinstance(value, str) and count(value) > most:
        yield f"Length must be between 0 and {most}", f"{where}.{key}"


def _filled(holder: Object, key: str, where: str) -> Iterator[Problem]:
    if not holder.get(key):
        yield "May not be empty", f"{where}.{key}"


def _size(items: Any, least: int, most: int, where: str) -> Iterator[Problem]:
    if isinstance(items, list) and not least <= len(items) <= most:
        yield f"Size must be between {least} and {most}", where


def action_problems(action: Any, where: str, label_most: int, *, needs_label: bool = True) -> Iterator[Problem]:
    """Check one action object; the label's limit depends on where it stands (20, image carousel 12, flex 40)."""
    if not isinstance(action, dict):
        yield "must be specified", where
        return
    kind = action.get("type")
    yield from _length(action, "label", label_most, where, graphemes)
    if needs_label:
        yield from _filled(action, "label", where)
    if kind == "postback":
        if "data" not in action:
            yield "May not be empty", f"{where}.data"
        for key in ("displayText", "text", "fillInText"):
            yield from _length(action, key, 300, where, graphemes)
    elif kind == "message":
        yield from _filled(action, "text", where)
        yield from _length(action, "text", 300, where, graphemes)
    elif kind == "uri":
        yield from _uri_problems(action, where)
    elif kind == "datetimepicker":
        for key in ("data", "mode"):
            yield from _filled(action, key, where)
    elif kind == "clipboard":
        yield from _filled(action, "clipboardText", where)
    elif kind == "richmenuswitch":
        yield from _filled(action, "richMenuAliasId", where)


def _uri_problems(action: Object, where: str) -> Iterator[Problem]:
    yield from _filled(action, "uri", where)
    uri = action.get("uri")
    if isinstance(uri, str) and uri:
        yield from _length(action, "uri", 1000, where)
        if not _ACTION_URI.match(uri):
            yield "invalid uri scheme", f"{where}.uri"


def _url_problems(holder: Object, where: str) -> Iterator[Problem]:
    """URLs are HTTPS; the stand-in also takes http on loopback, where there is no certificate to have."""
    for key in _URL_KEYS:
        url = holder.get(key)
        if not isinstance(url, str):
            continue
        if not url.startswith("https://") and not _LOOPBACK.match(url):
            yield "invalid uri", f"{where}.{key}"
        yield from _length(holder, key, 2000, where)


def _text(message: Object, where: str) -> Iterator[Problem]:
    yield from _filled(message, "text", where)
    yield from _length(message, "text", 5000, where)
    yield from _size(message.get("emojis"), 0, 20, f"{where}.emojis")


def _text_v2(message: Object, where: str) -> Iterator[Problem]:
    yield from _text(message, where)
    for key in message.get("substitution") or {}:
        if not re.fullmatch(r"[0-9A-Za-z_]{1,20}", key):
            yield "invalid property", f"{where}.substitution.{key}"


def _imagemap(message: Object, where: str) -> Iterator[Problem]:
    yield from _alt_text(message, where)
    yield from _size(message.get("actions"), 1, 50, f"{where}.actions")
    if (message.get("baseSize") or {}).get("width") != 1040:
        yield "must be 1040", f"{where}.baseSize.width"


def _alt_text(message: Object, where: str) -> Iterator[Problem]:
    yield from _filled(message, "altText", where)
    yield from _length(message, "altText", 1500, where)


def _template(message: Object, where: str) -> Iterator[Problem]:
    yield from _alt_text(message, where)
    template = message["template"]
    at = f"{where}.template"
    kind = template["type"]
    if kind == "buttons":
        yield from _buttons(template, at, 160, (1, 4))
    elif kind == "confirm":
        yield from _filled(template, "text", at)
        yield from _length(template, "text", 240, at, graphemes)
        yield from _actions(template, at, (2, 2))
    elif kind == "carousel":
        yield from _size(template["columns"], 1, 10, f"{at}.columns")
        for index, column in enumerate(template["columns"]):
            yield from _buttons(column, f"{at}.columns[{index}]", 120, (1, 3))
        if len({len(column["actions"]) for column in template["columns"]}) > 1:
            yield "the number of actions in each column must be the same", f"{at}.columns"
    else:
        yield from _size(template["columns"], 1, 10, f"{at}.columns")
        for index, column in enumerate(template["columns"]):
            yield from _url_problems(column, f"{at}.columns[{index}]")
            yield from action_problems(column["action"], f"{at}.columns[{index}].action", 12, needs_label=False)


def _buttons(holder: Object, where: str, text_most: int, size: tuple[int, int]) -> Iterator[Problem]:
    if holder.get("title") or holder.get("thumbnailImageUrl"):
        text_most = 60
    yield from _url_problems(holder, where)
    yield from _filled(holder, "text", where)
    yield from _length(holder, "text", text_most, where, graphemes)
    yield from _length(holder, "title", 40, where, graphemes)
    yield from _actions(holder, where, size)


def _actions(holder: Object, where: str, size: tuple[int, int]) -> Iterator[Problem]:
    yield from _size(holder["actions"], *size, f"{where}.actions")
    for index, action in enumerate(holder["actions"]):
        yield from action_problems(action, f"{where}.actions[{index}]", 20)


def _flex(message: Object, where: str) -> Iterator[Problem]:
    yield from _alt_text(message, where)
    contents = message["contents"]
    bubbles = contents["contents"] if contents["type"] == "carousel" else [contents]
    if contents["type"] == "carousel":
        yield from _size(bubbles, 1, 12, f"{where}.contents.contents")
        if len(orjson.dumps(contents)) > 50 * 1024:
            yield "the size of the carousel must be 50 KB or less", f"{where}.contents"
        if len({bubble.get("size", "mega") for bubble in bubbles}) > 1:
            yield "the size of each bubble must be the same", f"{where}.contents"
    for index, bubble in enumerate(bubbles):
        at = f"{where}.contents" + (f".contents[{index}]" if contents["type"] == "carousel" else "")
        if len(orjson.dumps(bubble)) > 30 * 1024:
            yield "the size of the bubble must be 30 KB or less", at
        yield from _flex_parts(bubble, at)


def _flex_parts(part: Any, where: str) -> Iterator[Problem]:
    if isinstance(part, list):
        for index, each in enumerate(part):
            yield from _flex_parts(each, f"{where}[{index}]")
        return
    if not isinstance(part, dict):
        return
    if part.get("type") in ("image", "icon"):
        yield from _url_problems({"imageUrl": part.get("url")}, where)
    if part.get("type") == "text" and not part.get("text") and not part.get("contents"):
        yield "May not be empty", f"{where}.text"
    for key, value in part.items():
        if key == "action":
            yield from action_problems(value, f"{where}.action", 40, needs_label=part.get("type") == "button")
        else:
            yield from _flex_parts(value, f"{where}.{key}")


def _location(message: Object, where: str) -> Iterator[Problem]:
    for key in ("title", "address"):
        yield from _filled(message, key, where)
        yield from _length(message, key, 100, where)


def _video(message: Object, where: str) -> Iterator[Problem]:
    yield from _length(message, "trackingId", 100, where)


def _coupon(message: Object, where: str) -> Iterator[Problem]:
    tag = message.get("deliveryTag")
    if tag is not None and not re.fullmatch(r"[A-Za-z0-9_]{1,30}", tag):
        yield "invalid property", f"{where}.deliveryTag"


_BY_TYPE: dict[str, Callable[[Object, str], Iterator[Problem]]] = {
    "text": _text,
    "textV2": _text_v2,
    "imagemap": _imagemap,
    "template": _template,
    "flex": _flex,
    "location": _location,
    "video": _video,
    "coupon": _coupon,
}


def _quick_reply(message: Object, where: str) -> Iterator[Problem]:
    items = (message.get("quickReply") or {}).get("items")
    if items is None:
        return
    yield from _size(items, 1, 13, f"{where}.quickReply.items")
    for index, item in enumerate(items):
        at = f"{where}.quickReply.items[{index}]"
        yield from _url_problems(item, at)
        yield from action_problems(item.get("action"), f"{at}.action", 20)
        if (item.get("action") or {}).get("type") == "richmenuswitch":
            yield "richmenuswitch is not available in a quick reply", f"{at}.action.type"


def message_problems(messages: list[Object]) -> list[Problem]:
    """Return what breaks a limit in message objects that already passed the schema."""
    found: list[Problem] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        check = _BY_TYPE.get(message["type"])
        if check is not None:
            found.extend(check(message, where))
        found.extend(_url_problems(message, where))
        found.extend(_quick_reply(message, where))
    return found
