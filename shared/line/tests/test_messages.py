"""LINE's limits, field by field: what passes at the limit, what is refused beyond it, and where the pointer points."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.line.messages import check_messages, check_rich_menu
from shared.line.rules import Problem, graphemes, utf16_units
from shared.line.tests.samples import (
    AREA,
    FAMILY,
    GOOD,
    PAGE,
    POSTBACK,
    Json,
    bubble,
    buttons,
    carousel,
    column,
    confirm,
    flex,
    imagemap,
    picker,
    pictures,
    quick,
    said,
)

BAD: list[tuple[Json, str, str]] = [
    (said(text="a" * 5001), "/0/text", "1 to 5000"),
    (said(text="🍎" * 2501), "/0/text", "has 5002"),
    (said(text=""), "/0/text", "not be empty"),
    (said(text=7), "/0/text", "a text"),
    (said(text="\ud83c"), "/0/text", "Unicode"),
    ({"type": "text"}, "/0/text", "required"),
    ({"type": "text", "text": None}, "/0/text", "required"),
    (said(quickReply=None), "/0/quickReply", "left out"),
    ({"type": "hologram"}, "/0/type", "text, textV2, sticker"),
    ({"text": "no type"}, "/0/type", "one of"),
    ({"type": ["text"]}, "/0/type", "one of"),
    (said(emojis=[{"index": 0, "productId": "p", "emojiId": "1"}]), "/0/emojis/0/index", "$"),
    (said(text="🍎$", emojis=[{"index": 1, "productId": "p", "emojiId": "1"}]), "/0/emojis/0/index", "UTF-16"),
    (said(text="$", emojis=[{"index": True, "productId": "p", "emojiId": "1"}]), "/0/emojis/0/index", "whole number"),
    (said(text="$" * 21, emojis=[{"index": i, "productId": "p", "emojiId": "1"} for i in range(21)]),
     "/0/emojis", "0 to 20"),
    ({"type": "textV2", "text": "{who}"}, "/0/text", "no entry"),
    ({"type": "textV2", "text": "open {"}, "/0/text", "double"),
    ({"type": "textV2", "text": "close }"}, "/0/text", "double"),
    ({"type": "textV2", "text": "{e}" * 21, "substitution": {"e": {"type": "emoji", "productId": "p", "emojiId": "1"}}},
     "/0/text", "at most 20"),
    ({"type": "textV2", "text": "x", "substitution": {"a/b~c": {"type": "emoji", "productId": "p", "emojiId": "1"}}},
     "/0/substitution/a~1b~0c", "letters"),
    ({"type": "textV2", "text": "x", "substitution": {f"k{i}": {"type": "emoji", "productId": "p", "emojiId": "1"}
                                                      for i in range(101)}}, "/0/substitution", "at most 100"),
    ({"type": "textV2", "text": "x", "substitution": {"a": {"type": "mention"}}}, "/0/substitution/a/mentionee",
     "required"),
    ({"type": "sticker", "packageId": 446, "stickerId": "1"}, "/0/packageId", "a text"),
    ({"type": "image", "originalContentUrl": "http://a.example/", "previewImageUrl": PAGE}, "/0/originalContentUrl",
     "https:"),
    ({"type": "image", "originalContentUrl": PAGE, "previewImageUrl": "https://a.example/" + "x" * 2000},
     "/0/previewImageUrl", "1 to 2000"),
    ({"type": "image", "originalContentUrl": "https://", "previewImageUrl": PAGE}, "/0/originalContentUrl", "host"),
    ({"type": "image", "originalContentUrl": "https://a.example/圖.jpg", "previewImageUrl": PAGE},
     "/0/originalContentUrl", "percent-encoded"),
    ({"type": "image", "originalContentUrl": "https://a.example/a b", "previewImageUrl": PAGE},
     "/0/originalContentUrl", "percent-encoded"),
    ({"type": "image", "originalContentUrl": "https://[::1", "previewImageUrl": PAGE}, "/0/originalContentUrl", "host"),
    ({"type": "image", "originalContentUrl": "http://127.0.0.1/a", "previewImageUrl": PAGE}, "/0/originalContentUrl",
     "https:"),
    ({"type": "video", "originalContentUrl": PAGE, "previewImageUrl": PAGE, "trackingId": "t" * 101}, "/0/trackingId",
     "1 to 100"),
    ({"type": "audio", "originalContentUrl": PAGE, "duration": 0}, "/0/duration", "at least 1"),
    ({"type": "audio", "originalContentUrl": PAGE, "duration": 1.5}, "/0/duration", "whole number"),
    ({"type": "location", "title": "t" * 101, "address": "a", "latitude": 0, "longitude": 0}, "/0/title", "1 to 100"),
    ({"type": "location", "title": "t", "address": "a", "latitude": 91, "longitude": 0}, "/0/latitude", "-90 to 90"),
    ({"type": "coupon", "couponId": "1", "deliveryTag": "spring-sale"}, "/0/deliveryTag", "A-Za-z0-9_"),
    ({"type": "coupon", "couponId": "1", "deliveryTag": "x" * 31}, "/0/deliveryTag", "1 to 30"),
    (imagemap(baseSize={"width": 1000, "height": 1}), "/0/baseSize/width", "always 1040"),
    (imagemap(actions=[{"type": "message", "text": "hi", "area": AREA}] * 51), "/0/actions", "1 to 50"),
    (imagemap(actions=[{"type": "message", "text": "hi"}]), "/0/actions/0/area", "required"),
    (imagemap(altText="a" * 1501), "/0/altText", "1 to 1500"),
    (imagemap(video={"originalContentUrl": PAGE, "area": AREA}), "/0/video/previewImageUrl", "required"),
    (buttons(text="t" * 161), "/0/template/text", "1 to 160"),
    (buttons(text="t" * 61, title="T"), "/0/template/text", "1 to 60"),
    (buttons(text="t" * 61, thumbnailImageUrl=PAGE), "/0/template/text", "1 to 60"),
    (buttons(title="t" * 41), "/0/template/title", "1 to 40"),
    (buttons(actions=[]), "/0/template/actions", "1 to 4"),
    (buttons(actions=[POSTBACK] * 5), "/0/template/actions", "1 to 4"),
    (buttons(actions=[{"type": "camera", "label": "c"}]), "/0/template/actions/0/type", "postback"),
    (buttons(actions=[{"type": "postback", "data": "x"}]), "/0/template/actions/0/label", "required"),
    (buttons(imageSize="huge"), "/0/template/imageSize", "cover, contain"),
    (buttons() | {"altText": ""}, "/0/altText", "empty"),
    (buttons() | {"template": {"type": "list"}}, "/0/template/type", "image_carousel"),
    (confirm(text="t" * 241), "/0/template/text", "1 to 240"),
    (confirm(actions=[POSTBACK]), "/0/template/actions", "must have 2 items"),
    (carousel(*[column()] * 11), "/0/template/columns", "1 to 10"),
    (carousel(column(text="t" * 121)), "/0/template/columns/0/text", "1 to 120"),
    (carousel(column(text="t" * 61, title="T")), "/0/template/columns/0/text", "1 to 60"),
    (carousel(column(actions=[POSTBACK] * 4)), "/0/template/columns/0/actions", "1 to 3"),
    (carousel(column(), column(actions=[POSTBACK] * 2)), "/0/template/columns", "same number"),
    (pictures({"type": "uri", "label": "t" * 13, "uri": "https://a.example/"}), "/0/template/columns/0/action/label",
     "1 to 12"),
    (flex({"type": "carousel", "contents": [bubble()] * 13}), "/0/contents/contents", "1 to 12"),
    (flex({"type": "carousel", "contents": [bubble(), bubble(size="nano")]}), "/0/contents/contents", "same size"),
    (flex(bubble({"type": "text", "text": "x" * 31_000})), "/0/contents", "30 KB"),
    (flex({"type": "carousel", "contents": [bubble({"type": "text", "text": "x" * 26_000})] * 2}), "/0/contents",
     "50 KB"),
    (flex(bubble({"type": "text"})), "/0/contents/body/contents/0/text", "required"),
    (flex(bubble({"type": "image", "url": "http://a.example/"})), "/0/contents/body/contents/0/url", "https:"),
    (flex(bubble({"type": "marquee"})), "/0/contents/body/contents/0/type", "box, button"),
    (flex(bubble({"type": "button", "action": {"type": "uri", "uri": "https://a.example/"}})),
     "/0/contents/body/contents/0/action/label", "required"),
    (flex(bubble({"type": "text", "text": "x", "action": POSTBACK | {"label": "t" * 41}})),
     "/0/contents/body/contents/0/action/label", "1 to 40"),
    (flex(bubble(size="enormous")), "/0/contents/size", "nano"),
    (flex({"type": "bubble", "body": {"type": "box", "layout": "diagonal", "contents": []}}),
     "/0/contents/body/layout", "horizontal"),
    (flex(bubble(), altText="a" * 1501), "/0/altText", "1 to 1500"),
    (quick(*[POSTBACK] * 14), "/0/quickReply/items", "1 to 13"),
    (quick(), "/0/quickReply/items", "1 to 13"),
    (quick({"type": "richmenuswitch", "label": "s", "richMenuAliasId": "a", "data": "d"}),
     "/0/quickReply/items/0/action/type", "camera"),
    (said(quickReply={"items": [{"action": POSTBACK, "imageUrl": "ftp://a.example/"}]}),
     "/0/quickReply/items/0/imageUrl", "https:"),
    (quick(POSTBACK | {"label": FAMILY * 21}), "/0/quickReply/items/0/action/label", "has 21"),
    (quick(POSTBACK | {"data": "x" * 301}), "/0/quickReply/items/0/action/data", "0 to 300"),
    (quick(POSTBACK | {"displayText": "x" * 301}), "/0/quickReply/items/0/action/displayText", "1 to 300"),
    (quick(POSTBACK | {"displayText": "x", "text": "x"}), "/0/quickReply/items/0/action/text", "displayText"),
    (quick(POSTBACK | {"inputOption": "sing"}), "/0/quickReply/items/0/action/inputOption", "openKeyboard"),
    (quick(POSTBACK | {"fillInText": "x"}), "/0/quickReply/items/0/action/fillInText", "openKeyboard"),
    (quick({"type": "message", "label": "m", "text": "t" * 301}), "/0/quickReply/items/0/action/text", "1 to 300"),
    (quick({"type": "uri", "label": "u", "uri": "javascript:alert(1)"}), "/0/quickReply/items/0/action/uri", "tel:"),
    (quick({"type": "uri", "label": "u", "uri": "https://a.example/" + "x" * 1000}),
     "/0/quickReply/items/0/action/uri", "1 to 1000"),
    (quick({"type": "clipboard", "label": "c", "clipboardText": "t" * 1001}),
     "/0/quickReply/items/0/action/clipboardText", "1 to 1000"),
    (picker(mode="year"), "/0/quickReply/items/0/action/mode", "date, time, datetime"),
    (picker(initial="2026-2-3"), "/0/quickReply/items/0/action/initial", "YYYY-MM-DD"),
    (picker(initial="2026-02-30"), "/0/quickReply/items/0/action/initial", "YYYY-MM-DD"),
    (picker(mode="datetime", initial="2026-02-03 10:00"), "/0/quickReply/items/0/action/initial", "YYYY-MM-DDTHH:mm"),
    (picker(min="2026-02-03", max="2026-02-03"), "/0/quickReply/items/0/action/max", "later"),
    (picker(min="2026-02-03", initial="2026-02-02"), "/0/quickReply/items/0/action/initial", "between"),
    (said(sender={"name": "x" * 21}), "/0/sender/name", "1 to 20"),
    (said(sender={"iconUrl": "http://a.example/"}), "/0/sender/iconUrl", "https:"),
]  # fmt: skip


@pytest.mark.parametrize("message", GOOD)
def test_what_line_takes_passes(message: Json) -> None:
    assert check_messages([message]) == []


@pytest.mark.parametrize(("message", "pointer", "allowed"), BAD)
def test_what_line_refuses_is_named_with_what_is_allowed(message: Json, pointer: str, allowed: str) -> None:
    (problem,) = check_messages([message])
    assert problem.pointer == pointer
    assert allowed in problem.detail


@pytest.mark.parametrize(
    ("messages", "pointer"),
    [([], ""), ([said()] * 6, ""), ({}, ""), (None, ""), ("text", ""), ([7], "/0"), ([None], "/0")],
)
def test_a_send_has_1_to_5_message_objects(messages: Any, pointer: str) -> None:
    (problem,) = check_messages(messages)
    assert problem.pointer == pointer


def test_every_problem_is_told_at_once_below_the_callers_pointer() -> None:
    found = check_messages([said(), {"type": "text", "text": "", "sender": {"name": ""}}], pointer="/content/messages")
    assert [each.pointer for each in found] == ["/content/messages/1/text", "/content/messages/1/sender/name"]
    assert all(isinstance(each, Problem) and each.detail for each in found)


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost:8001", "[::1]:8001"])
def test_a_stand_in_may_fetch_from_this_machine(host: str) -> None:
    image = {"type": "image", "originalContentUrl": f"http://{host}/a.png", "previewImageUrl": PAGE}
    assert check_messages([image], allow_loopback=True) == []
    assert check_messages([image]) != []
    elsewhere = image | {"originalContentUrl": "http://10.0.0.1/a.png"}
    assert check_messages([elsewhere], allow_loopback=True) != []


def test_deep_nesting_is_refused_not_followed() -> None:
    box: Json = {"type": "text", "text": "x"}
    for _ in range(5000):
        box = {"type": "box", "layout": "vertical", "contents": [box]}
    assert any("too deeply" in each.detail for each in check_messages([flex(bubble(box))]))


def test_lengths_are_counted_as_line_counts() -> None:
    assert (utf16_units("🍎"), graphemes("🍎")) == (2, 1)
    assert (utf16_units(FAMILY), graphemes(FAMILY)) == (11, 1)
    assert graphemes("e\u0301") == 1


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_units_are_what_utf16_needs(text: str) -> None:
    assert utf16_units(text) == sum(2 if ord(char) > 0xFFFF else 1 for char in text)
    assert 1 <= graphemes(text) <= len(text)


_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@settings(deadline=None)
@given(_json)
def test_any_json_gets_an_answer(value: Any) -> None:
    assert all(each.pointer.startswith("/x") for each in check_messages(value, pointer="/x"))
    check_rich_menu(value)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Json, list[Any]]:
    """A good message with one of its values replaced by something random."""
    message = orjson.loads(orjson.dumps(draw(st.sampled_from(GOOD))))
    path: list[Any] = []
    holder: Any = message
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        path.append(draw(st.sampled_from(keys)))
        inner = holder[path[-1]]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            holder[path[-1]] = draw(_json)
            return message, path
        holder = inner


@settings(deadline=None)
@given(spoiled())
def test_a_spoiled_message_never_breaks_the_check(case: tuple[Json, list[Any]]) -> None:
    message, _ = case
    for problem in check_messages([message]):
        assert problem.pointer.startswith("/0")
        assert problem.detail


MENU: Json = {
    "size": {"width": 2500, "height": 1686},
    "selected": True,
    "name": "main",
    "chatBarText": "打開選單",
    "areas": [{"bounds": AREA, "action": POSTBACK}] * 20,
}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"size": {"width": 799, "height": 250}}, "/size/width"),
        ({"size": {"width": 2501, "height": 843}}, "/size/width"),
        ({"size": {"width": 800, "height": 249}}, "/size/height"),
        ({"size": {"width": 1000, "height": 690}}, "/size"),
        ({"chatBarText": "x" * 15}, "/chatBarText"),
        ({"name": "x" * 301}, "/name"),
        ({"selected": "yes"}, "/selected"),
        ({"areas": [{"bounds": AREA, "action": POSTBACK}] * 21}, "/areas"),
        ({"areas": [{"bounds": AREA, "action": {"type": "camera", "label": "c"}}]}, "/areas/0/action/type"),
        ({"areas": [{"bounds": AREA | {"x": -1}, "action": POSTBACK}]}, "/areas/0/bounds/x"),
        ({"areas": [{"bounds": AREA, "action": {"type": "richmenuswitch", "richMenuAliasId": "A", "data": "d"}}]},
         "/areas/0/action/richMenuAliasId"),
    ],
)  # fmt: skip
def test_a_rich_menu_line_refuses_is_named(change: Json, pointer: str) -> None:
    assert check_rich_menu(MENU) == []
    assert [each.pointer for each in check_rich_menu(MENU | change)] == [pointer]
