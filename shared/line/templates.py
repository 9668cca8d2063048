"""LINE's limits on template messages (LINE platform §2.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.line.actions import IMAGE_CAROUSEL_ACTION, TEMPLATE_ACTION, TEMPLATE_DEFAULT_ACTION
from shared.line.rules import Problem, Rule, Spot, by_type, chosen, fields, graphemes, items, one_of, text, url

_IMAGE_SHAPE = {"imageAspectRatio": one_of("rectangle", "square"), "imageSize": one_of("cover", "contain")}
_COLOUR = text(7, form="[#0-9A-Fa-f]")


def _panel(plain: int, most_actions: int, **more: Rule) -> Rule:
    """Return the rule for text with buttons under it: shorter text under a picture or title."""

    def choose(panel: dict[str, Any]) -> Rule:
        illustrated = panel.get("title") or panel.get("thumbnailImageUrl")
        return fields(
            {
                "text": text(60 if illustrated else plain, count=graphemes),
                "actions": items(TEMPLATE_ACTION, 1, most_actions),
            },
            {
                "title": text(40, count=graphemes),
                "thumbnailImageUrl": url,
                "imageBackgroundColor": _COLOUR,
                "defaultAction": TEMPLATE_DEFAULT_ACTION,
                **more,
            },
        )

    return chosen(choose)


def _even_columns(template: Any, at: Spot) -> Iterator[Problem]:
    columns = template.get("columns")
    if not isinstance(columns, list):
        return
    actions = [column.get("actions") for column in columns if isinstance(column, dict)]
    if len({len(each) for each in actions if isinstance(each, list)}) > 1:
        yield at.child("columns").problem("every column must have the same number of actions")


def _carousel(template: Any, at: Spot) -> Iterator[Problem]:
    yield from fields({"columns": items(_panel(120, 3), 1, 10)}, _IMAGE_SHAPE)(template, at)
    yield from _even_columns(template, at)


TEMPLATE = by_type(
    {
        "buttons": _panel(160, 4, **_IMAGE_SHAPE),
        "confirm": fields({"text": text(240, count=graphemes), "actions": items(TEMPLATE_ACTION, 2, 2)}),
        "carousel": _carousel,
        "image_carousel": fields({"columns": items(fields({"imageUrl": url, "action": IMAGE_CAROUSEL_ACTION}), 1, 10)}),
    }
)
