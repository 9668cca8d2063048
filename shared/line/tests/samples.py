"""Message objects at the edge of LINE's limits, which LINE takes."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
PAGE = "https://cdn.example.com/a.jpg"
FAMILY = "👨‍👩‍👧‍👦"
POSTBACK: Json = {"type": "postback", "label": "Go", "data": "a=card.show"}
AREA = {"x": 0, "y": 0, "width": 520, "height": 520}


def said(**more: Any) -> Json:
    return {"type": "text", "text": "hello"} | more


def buttons(**template: Any) -> Json:
    return {
        "type": "template",
        "altText": "alt",
        "template": {"type": "buttons", "text": "t", "actions": [POSTBACK]} | template,
    }


def confirm(**template: Any) -> Json:
    return buttons() | {"template": {"type": "confirm", "text": "t", "actions": [POSTBACK] * 2} | template}


def carousel(*columns: Json) -> Json:
    return buttons() | {"template": {"type": "carousel", "columns": list(columns)}}


def column(**more: Any) -> Json:
    return {"text": "t", "actions": [POSTBACK]} | more


def pictures(*actions: Json) -> Json:
    columns = [{"imageUrl": PAGE, "action": action} for action in actions]
    return buttons() | {"template": {"type": "image_carousel", "columns": columns}}


def flex(contents: Json, **more: Any) -> Json:
    return {"type": "flex", "altText": "alt", "contents": contents} | more


def bubble(*components: Json, **more: Any) -> Json:
    return {"type": "bubble", "body": {"type": "box", "layout": "vertical", "contents": list(components)}} | more


def quick(*actions: Json) -> Json:
    return said(quickReply={"items": [{"type": "action", "action": action} for action in actions]})


def imagemap(**more: Any) -> Json:
    action = {"type": "uri", "linkUri": "https://a.example/", "area": AREA}
    base = {"baseUrl": PAGE, "altText": "alt", "baseSize": {"width": 1040, "height": 1040}, "actions": [action]}
    return {"type": "imagemap"} | base | more


def picker(**more: Any) -> Json:
    return quick({"type": "datetimepicker", "label": "When", "data": "a=b", "mode": "date"} | more)


GOOD: list[Json] = [
    said(text="a" * 5000),
    said(text="🍎" * 2500),
    said(text="$ and 🍎$", emojis=[{"index": index, "productId": "p", "emojiId": "1"} for index in (0, 8)]),
    said(sender={"name": "x" * 20, "iconUrl": PAGE}, quoteToken="q"),
    said(somethingNew={"x": 1}),
    {"type": "textV2", "text": "{{ {who} {e} }}", "substitution": {
        "who": {"type": "mention", "mentionee": {"type": "user", "userId": "U1"}},
        "e": {"type": "emoji", "productId": "p", "emojiId": "1"}}},
    {"type": "textV2", "text": "plain"},
    {"type": "sticker", "packageId": "446", "stickerId": "1988"},
    {"type": "image", "originalContentUrl": PAGE, "previewImageUrl": PAGE},
    {"type": "video", "originalContentUrl": PAGE, "previewImageUrl": PAGE, "trackingId": "t" * 100},
    {"type": "audio", "originalContentUrl": PAGE, "duration": 1},
    {"type": "location", "title": "t" * 100, "address": "台" * 100, "latitude": 25.03, "longitude": -121},
    {"type": "coupon", "couponId": "01K", "deliveryTag": "spring_2026"},
    imagemap(),
    imagemap(actions=[{"type": "message", "text": "hi", "area": AREA}] * 50),
    buttons(text=FAMILY * 160, actions=[POSTBACK] * 4),
    buttons(text="t" * 60, title="t" * 40, thumbnailImageUrl=PAGE, imageBackgroundColor="#FFFFFF"),
    buttons(defaultAction={"type": "uri", "uri": "https://a.example/"}),
    confirm(text="t" * 240),
    carousel(*[column(text="t" * 120, actions=[POSTBACK] * 3)] * 10),
    carousel(column(text="t" * 60, title="T"), column(text="t" * 60, title="T")),
    pictures(*[{"type": "uri", "label": "t" * 12, "uri": "https://a.example/"}] * 10),
    flex(bubble({"type": "text", "text": "hi"}, {"type": "image", "url": PAGE}, {"type": "separator"})),
    flex(bubble({"type": "text", "contents": [{"type": "span", "text": "hi"}]}, hero={"type": "image", "url": PAGE})),
    flex(bubble({"type": "button", "action": POSTBACK | {"label": "t" * 40}}, size="giga")),
    flex(bubble({"type": "icon", "url": PAGE}, {"type": "filler"}, action={"type": "uri", "uri": "tel:+886"})),
    flex(bubble(hero={"type": "video", "url": PAGE, "previewUrl": PAGE, "altContent": {"type": "image", "url": PAGE}})),
    flex({"type": "carousel", "contents": [bubble({"type": "text", "text": "x" * 3000})] * 12}),
    flex(bubble({"type": "text", "text": "x" * 29_000})),
    quick(*[POSTBACK | {"label": FAMILY * 20, "data": "x" * 300, "displayText": "t" * 300}] * 13),
    quick({"type": "camera", "label": "c"}, {"type": "cameraRoll", "label": "c"}, {"type": "location", "label": "l"}),
    quick(POSTBACK | {"inputOption": "openKeyboard", "fillInText": "order "}),
    quick({"type": "message", "label": "m", "text": "t" * 300}, {"type": "clipboard", "label": "c",
                                                                  "clipboardText": "t" * 1000}),
    quick({"type": "uri", "label": "u", "uri": "line://nv/chat", "altUri": {"desktop": "https://a.example/"}}),
    picker(initial="2026-11-02", min="2026-11-01", max="2026-11-30"),
    picker(mode="time", initial="09:00"),
    picker(mode="datetime", initial="2026-11-02t09:00"),
]  # fmt: skip
