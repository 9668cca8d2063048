"""Typed small messages and rich menus, made with LINE's SDK; each function returns LINE's JSON object.

The SDK is imported on first use, because the import takes over a second and 84 MB: a service that builds messages
calls `load` at its start, one that does not never pays. The SDK checks types and a few limits; for the others
`shared.line.messages` checks the result. Flex and stored messages stay plain JSON: the SDK drops properties it does not
know. So do bodies on the hot path: its multicast model costs about 500 times what orjson does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Json = dict[str, Any]


def load() -> Any:
    """Import the SDK's messaging models and return their module."""
    import linebot.v3.messaging as sdk

    return sdk


def postback(label: str, data: str, *, display_text: str | None = None) -> Json:
    """Return a button that sends a postback (`a=<prefix>.<verb>&…`) and shows `display_text` as the user's words.

    Raises:
        ValueError: `data` is over 300 characters.
    """
    return _json(load().PostbackAction(label=label, data=data, display_text=display_text))


def open_page(label: str, uri: str) -> Json:
    """Return a button that opens a page (http, https, line or tel)."""
    return _json(load().URIAction(label=label, uri=uri))


def say(label: str, text: str) -> Json:
    """Return a button that sends a text as if the user had typed it."""
    return _json(load().MessageAction(label=label, text=text))


def pick_time(
    label: str,
    data: str,
    mode: Literal["date", "time", "datetime"],
    *,
    initial: str | None = None,
    earliest: str | None = None,
    latest: str | None = None,
) -> Json:
    """Return a button that asks for a date or time and sends it as a postback's `params`.

    Raises:
        ValueError: `data` is over 300 characters, or the mode is unknown.
    """
    picker = load().DatetimePickerAction
    return _json(picker(label=label, data=data, mode=mode, initial=initial, min=earliest, max=latest))


def quick_replies(actions: Sequence[Mapping[str, Any]]) -> Json | None:
    """Return the buttons under a message (LINE: at most 13), None for no action.

    Raises:
        ValueError: more than 13 actions, or one the SDK does not know.
    """
    if not actions:
        return None
    sdk = load()
    return _json(sdk.QuickReply(items=[sdk.QuickReplyItem(action=_action(each)) for each in actions]))


def text(content: str, *, quick: Sequence[Mapping[str, Any]] = ()) -> Json:
    """Return a text message, with quick replies where given."""
    sdk = load()
    return _json(sdk.TextMessage(text=content, quick_reply=sdk.QuickReply.from_dict(quick_replies(quick))))


def buttons(alt_text: str, content: str, actions: Sequence[Mapping[str, Any]], *, title: str | None = None) -> Json:
    """Return a buttons template; `alt_text` stands for it in notifications and on other devices."""
    sdk = load()
    template = sdk.ButtonsTemplate(text=content, title=title, actions=[_action(each) for each in actions])
    return _json(sdk.TemplateMessage(alt_text=alt_text, template=template))


def confirm(alt_text: str, content: str, yes: Mapping[str, Any], no: Mapping[str, Any]) -> Json:
    """Return a confirm template: a question with two buttons."""
    sdk = load()
    template = sdk.ConfirmTemplate(text=content, actions=[_action(yes), _action(no)])
    return _json(sdk.TemplateMessage(alt_text=alt_text, template=template))


def area(x: int, y: int, width: int, height: int, action: Mapping[str, Any]) -> Json:
    """Return a tappable area of a rich menu, in pixels of its picture."""
    sdk = load()
    bounds = sdk.RichMenuBounds(x=x, y=y, width=width, height=height)
    return _json(sdk.RichMenuArea(bounds=bounds, action=_action(action)))


def rich_menu(
    name: str,
    chat_bar_text: str,
    size: tuple[int, int],
    areas: Sequence[Mapping[str, Any]],
    *,
    selected: bool = True,
) -> Json:
    """Return a rich menu.

    Args:
        name: for staff; at most 300 characters.
        chat_bar_text: on the bar that opens it; at most 14 characters.
        size: width and height of its picture in pixels.
        areas: from `area`.
        selected: whether it is open at first.

    Raises:
        ValueError: a text is too long, a number out of range.
    """
    sdk = load()
    width, height = size
    request = sdk.RichMenuRequest(
        name=name,
        chat_bar_text=chat_bar_text,
        size=sdk.RichMenuSize(width=width, height=height),
        areas=[sdk.RichMenuArea.from_dict(dict(each)) for each in areas],
        selected=selected,
    )
    return _json(request)


def _action(action: Mapping[str, Any]) -> Any:
    return load().Action.from_dict(dict(action))


def _json(model: Any) -> Json:
    shown: Json = model.to_dict()
    return shown
