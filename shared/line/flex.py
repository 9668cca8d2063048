"""LINE's limits on Flex messages (LINE platform §2.8): sizes, addresses, actions, what a component must have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.line.actions import FLEX_ACTION, FLEX_BUTTON_ACTION
from shared.line.rules import Problem, Rule, Spot, by_type, fields, items, json_size, one_of, text, then, url

BUBBLE_KB = 30
CAROUSEL_KB = 50
MOST_BUBBLES = 12
_LAYOUT = one_of("horizontal", "vertical", "baseline")
_SIZE = one_of("nano", "micro", "deca", "hecto", "kilo", "mega", "giga")
_ACTION = {"action": FLEX_ACTION}


def _component(value: Any, at: Spot) -> Iterator[Problem]:
    yield from _COMPONENT(value, at)


def _text_or_spans(component: Any, at: Spot) -> Iterator[Problem]:
    if not component.get("text") and not component.get("contents"):
        yield at.child("text").problem("is required where there are no spans in contents")


def _at_most(kilobytes: int) -> Rule:
    def check(value: Any, at: Spot) -> Iterator[Problem]:
        size = json_size(value)
        if size is None:
            yield at.problem("cannot be written as JSON")
        elif size > kilobytes * 1024:
            yield at.problem(f"must be at most {kilobytes} KB of JSON, is {size / 1024:.1f} KB")

    return check


def _equally_wide(carousel: Any, at: Spot) -> Iterator[Problem]:
    if len({bubble.get("size") or "mega" for bubble in carousel["contents"]}) > 1:
        yield at.child("contents").problem("every bubble must have the same size")


_BOX = fields({"layout": _LAYOUT, "contents": items(_component, 0, None)}, _ACTION)
_IMAGE = fields({"url": url}, _ACTION)
_SPAN = by_type({"span": fields({}, {"text": text(least=0)})})
_VIDEO = fields({"url": url, "previewUrl": url, "altContent": by_type({"box": _BOX, "image": _IMAGE})}, _ACTION)
_COMPONENT = by_type(
    {
        "box": _BOX,
        "button": fields({"action": FLEX_BUTTON_ACTION}, {"style": one_of("primary", "secondary", "link")}),
        "image": _IMAGE,
        "icon": fields({"url": url}),
        "text": then(fields({}, {"text": text(least=0), "contents": items(_SPAN, 0, None), **_ACTION}), _text_or_spans),
        "span": _SPAN,
        "separator": fields({}),
        "filler": fields({}),
    }
)
_HERO = by_type({"box": _BOX, "image": _IMAGE, "video": _VIDEO})
_SECTION = by_type({"box": _BOX})
_BUBBLE = by_type(
    {
        "bubble": then(
            fields(
                {},
                {
                    "size": _SIZE,
                    "direction": one_of("ltr", "rtl"),
                    "header": _SECTION,
                    "hero": _HERO,
                    "body": _SECTION,
                    "footer": _SECTION,
                    "styles": fields({}),
                    **_ACTION,
                },
            ),
            _at_most(BUBBLE_KB),
        )
    }
)
_CAROUSEL = then(fields({"contents": items(_BUBBLE, 1, MOST_BUBBLES)}), _equally_wide, _at_most(CAROUSEL_KB))
FLEX = by_type({"bubble": _BUBBLE, "carousel": _CAROUSEL})
