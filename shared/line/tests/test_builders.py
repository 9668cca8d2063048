"""Messages and menus made with the SDK are LINE's JSON, and pass the checks."""

from __future__ import annotations

from typing import Any

import pytest

from shared.line import builders
from shared.line.messages import check_messages, check_rich_menu

POSTBACK = {"type": "postback", "label": "領取", "data": "a=coupon.claim&id=1", "displayText": "我要領取"}


def test_buttons_are_actions() -> None:
    assert builders.postback("領取", "a=coupon.claim&id=1", display_text="我要領取") == POSTBACK
    assert builders.postback("A", "a=b") == {"type": "postback", "label": "A", "data": "a=b"}
    assert builders.say("A", "b") == {"type": "message", "label": "A", "text": "b"}
    assert builders.open_page("A", "https://a.example/") == {"type": "uri", "label": "A", "uri": "https://a.example/"}
    picker = builders.pick_time("A", "a=b", "date", initial="2026-11-02", earliest="2026-11-01", latest="2026-11-30")
    assert picker == {
        "type": "datetimepicker",
        "label": "A",
        "data": "a=b",
        "mode": "date",
        "initial": "2026-11-02",
        "min": "2026-11-01",
        "max": "2026-11-30",
    }


def test_a_text_may_have_quick_replies() -> None:
    assert builders.text("你好 🍎") == {"type": "text", "text": "你好 🍎"}
    assert builders.text("選一個", quick=[POSTBACK]) == {
        "type": "text",
        "text": "選一個",
        "quickReply": {"items": [{"type": "action", "action": POSTBACK}]},
    }


def test_templates_are_messages() -> None:
    assert builders.buttons("alt", "text", [POSTBACK], title="Title") == {
        "type": "template",
        "altText": "alt",
        "template": {"type": "buttons", "title": "Title", "text": "text", "actions": [POSTBACK]},
    }
    confirm = builders.confirm("alt", "sure?", POSTBACK, builders.say("no", "no"))
    assert confirm["template"]["actions"] == [POSTBACK, {"type": "message", "label": "no", "text": "no"}]


def test_a_rich_menu_is_an_object() -> None:
    menu = builders.rich_menu("m", "打開", (2500, 843), [builders.area(0, 0, 100, 200, POSTBACK)], selected=False)
    assert menu == {
        "name": "m",
        "chatBarText": "打開",
        "size": {"width": 2500, "height": 843},
        "selected": False,
        "areas": [{"bounds": {"x": 0, "y": 0, "width": 100, "height": 200}, "action": POSTBACK}],
    }


@pytest.mark.parametrize(
    "build",
    [
        lambda: builders.postback("A", "x" * 301),
        lambda: builders.text("t", quick=[POSTBACK] * 14),
        lambda: builders.text("t", quick=[{"type": "teleport"}]),
        lambda: builders.rich_menu("m", "x" * 15, (2500, 843), []),
        lambda: builders.area(-1, 0, 1, 1, POSTBACK),
    ],
)
def test_what_the_sdk_refuses_is_a_value_error(build: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        build()


def test_what_is_built_passes_the_checks() -> None:
    picker = builders.pick_time("A", "a=b", "datetime", earliest="2026-11-01T09:00")
    messages = [
        builders.text("選一個", quick=[POSTBACK, picker]),
        builders.buttons("alt", "text", [POSTBACK, builders.open_page("B", "https://a.example/")]),
        builders.confirm("alt", "sure?", builders.say("yes", "yes"), builders.say("no", "no")),
    ]
    assert check_messages(messages) == []
    menu = builders.rich_menu("m", "打開", (2500, 843), [builders.area(0, 0, 100, 200, POSTBACK)])
    assert check_rich_menu(menu) == []
