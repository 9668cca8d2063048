"""LINE's limits on actions: what a button may do depends on where it stands (LINE platform §2.8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import regex

from shared.line.rules import (
    Problem,
    Rule,
    Spot,
    by_type,
    chosen,
    fields,
    graphemes,
    link,
    one_of,
    text,
    then,
)

_TIME_FORMS = {
    "date": (r"\d{4}-\d{2}-\d{2}", "%Y-%m-%d", "YYYY-MM-DD"),
    "time": (r"\d{2}:\d{2}", "%H:%M", "HH:mm"),
    "datetime": (r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}", "%Y-%m-%dT%H:%M", "YYYY-MM-DDTHH:mm"),
}
_DATA = text(300, least=0)
_WORDS = text(300, count=graphemes)


def _needs_keyboard(action: Any, at: Spot) -> Iterator[Problem]:
    if action.get("fillInText") is not None and action.get("inputOption") != "openKeyboard":
        yield at.child("fillInText").problem("is only allowed with inputOption openKeyboard")
    if action.get("displayText") is not None and action.get("text") is not None:
        yield at.child("text").problem("is not allowed together with displayText")


def _time(mode: str) -> Rule:
    pattern, form, shown = _TIME_FORMS[mode]

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, str) or not regex.fullmatch(pattern, value, regex.ASCII) or not _parses(value, form):
            yield at.problem(f"must be a {mode} as {shown}")

    return check


def _parses(value: str, form: str) -> bool:
    try:
        datetime.strptime(value.upper(), form)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def _earlier_first(action: Any, at: Spot) -> Iterator[Problem]:
    earliest, initial, latest = (str(action.get(name) or "").upper() for name in ("min", "initial", "max"))
    if earliest and latest and earliest >= latest:
        yield at.child("max").problem("must be later than min")
    if initial and ((earliest and initial < earliest) or (latest and initial > latest)):
        yield at.child("initial").problem("must be between min and max")


def _picker(label: dict[str, Rule], optional_label: dict[str, Rule]) -> Rule:
    def choose(action: dict[str, Any]) -> Rule:
        mode = action.get("mode")
        times = _time(mode) if isinstance(mode, str) and mode in _TIME_FORMS else text()
        required = {**label, "data": _DATA, "mode": one_of(*_TIME_FORMS)}
        return then(
            fields(required, {**optional_label, **dict.fromkeys(("initial", "min", "max"), times)}), _earlier_first
        )

    return chosen(choose)


def _action(label_most: int, *, labelled: bool = True, device: bool = False, rich_menu: bool = False) -> Rule:
    """Return the rule for actions of one place.

    Args:
        label_most: LINE's limit on the label there.
        labelled: whether a label is required.
        device: whether camera, camera roll and location are allowed (quick replies only).
        rich_menu: whether switching rich menus is allowed (rich menus only).
    """
    named = {"label": text(label_most, count=graphemes)}
    must, may = (named, {}) if labelled else ({}, named)
    postback = fields(
        {**must, "data": _DATA},
        {
            **may,
            "displayText": _WORDS,
            "text": _WORDS,
            "inputOption": one_of("closeRichMenu", "openRichMenu", "openKeyboard", "openVoice"),
            "fillInText": _WORDS,
        },
    )
    kinds: dict[str, Rule] = {
        "postback": then(postback, _needs_keyboard),
        "message": fields({**must, "text": _WORDS}, may),
        "uri": fields(
            {**must, "uri": link(1000, "http", "https", "line", "tel")},
            {**may, "altUri": fields({}, {"desktop": link(1000, "http", "https", "line", "tel")})},
        ),
        "datetimepicker": _picker(must, may),
        "clipboard": fields({**must, "clipboardText": text(1000)}, may),
    }
    if device:
        kinds |= dict.fromkeys(("camera", "cameraRoll", "location"), fields(must, may))
    if rich_menu:
        switch = {"richMenuAliasId": text(32, form="[a-z0-9_-]"), "data": _DATA}
        kinds["richmenuswitch"] = fields({**must, **switch}, may)
    return by_type(kinds)


TEMPLATE_ACTION = _action(20)
TEMPLATE_DEFAULT_ACTION = _action(20, labelled=False)
IMAGE_CAROUSEL_ACTION = _action(12, labelled=False)
QUICK_REPLY_ACTION = _action(20, device=True)
FLEX_BUTTON_ACTION = _action(40)
FLEX_ACTION = _action(40, labelled=False)
RICH_MENU_ACTION = _action(20, labelled=False, rich_menu=True)
