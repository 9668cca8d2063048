"""Rich menus: objects, pictures, default, aliases, links to users (REF "Rich menu", "Per-user rich menu")."""

from __future__ import annotations

import re
import struct
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError, body_errors, not_found
from simulator.line.rules import action_problems, graphemes
from simulator.line.schema import require_valid
from simulator.line.sending import MOST_RECIPIENTS, recipients
from simulator.line.users import known_user
from simulator.world.accepts import Accept
from simulator.world.chats import Friendship
from simulator.world.richmenus import MOST_MENUS, RichMenu
from simulator.world.world import news

_MENU_ID = re.compile(r"richmenu-[0-9a-f]{32}")
_ALIAS_ID = re.compile(r"[a-z0-9_-]{1,32}")
MOST_IMAGE = 1024 * 1024
_NO_IMAGE = "must upload richmenu image before applying it to user"
_HUNDRED_AN_HOUR = Limit(100, 3600)


def _menu_problems(body: dict[str, Any]) -> list[tuple[str, str]]:
    problems = [
        ("must be specified", key) for key in ("size", "selected", "name", "chatBarText", "areas") if key not in body
    ]
    if problems:
        return problems
    size = body["size"]
    width, height = size.get("width", 0), size.get("height", 0)
    if not 800 <= width <= 2500:
        problems.append(("must be between 800 and 2500", "size.width"))
    if height < 250 or width / max(height, 1) < 1.45:
        problems.append(("must be at least 250 and give an aspect ratio of at least 1.45", "size.height"))
    for key, most in (("name", 300), ("chatBarText", 14)):
        if not 1 <= graphemes(body[key]) <= most:
            problems.append((f"Length must be between 1 and {most}", key))
    if len(body["areas"]) > 20:
        problems.append(("Size must be between 0 and 20", "areas"))
    for index, area in enumerate(body["areas"]):
        if "bounds" not in area:
            problems.append(("must be specified", f"areas[{index}].bounds"))
        problems.extend(action_problems(area.get("action"), f"areas[{index}].action", 20, needs_label=False))
    return problems


def _checked_menu(call: Call) -> dict[str, Any]:
    body = call.json()
    require_valid("RichMenuRequest", body)
    problems = _menu_problems(body)
    if problems:
        raise body_errors(*problems)
    return body


def create(call: Call) -> Answer:
    """LINE: at most 1,000 menus by API; a menu can be applied once it has a picture."""
    body = _checked_menu(call)
    if len(call.account.menus.by_id) >= MOST_MENUS:
        raise LineError(400, "The number of rich menus has reached the limit")
    return Answer({"richMenuId": call.account.menus.create(body).menu_id})


def validate(call: Call) -> Answer:
    """Check a rich menu object, keep nothing."""
    _checked_menu(call)
    return Answer()


def _menu(call: Call) -> RichMenu:
    menu = call.account.menus.by_id.get(call.path["menu_id"])
    if menu is None:
        raise not_found()
    return menu


def get(call: Call) -> Answer:
    """Return one menu."""
    return Answer(_menu(call).shown())


def delete(call: Call) -> Answer:
    """Delete a menu."""
    call.account.menus.delete(_menu(call).menu_id)
    return Answer()


def listing(call: Call) -> Answer:
    """Return every menu made by API."""
    return Answer({"richmenus": [menu.shown() for menu in call.account.menus.by_id.values()]})


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG or JPEG, or None for anything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 2 + length
    return None


def upload(call: Call) -> Answer:
    """LINE: JPEG or PNG of at most 1 MB, of the menu's own size, once."""
    menu = _menu(call)
    kind = (call.header("content-type") or "").partition(";")[0].strip()
    if kind not in ("image/png", "image/jpeg"):
        raise LineError(415, f"The content type, {kind or 'null'}, is not supported")
    if menu.image is not None:
        raise LineError(400, "An image has already been uploaded to the richmenu")
    size = menu.body["size"]
    if len(call.raw) > MOST_IMAGE or image_size(call.raw) != (size["width"], size["height"]):
        raise LineError(400, "The image size is not allowed for richmenu")
    menu.image, menu.image_type = call.raw, kind
    return Answer()


def download(call: Call) -> Answer:
    """Return a menu's picture."""
    menu = _menu(call)
    if menu.image is None:
        raise not_found()
    return Answer(menu.image, media_type=menu.image_type)


def _usable(call: Call, menu_id: Any) -> RichMenu:
    """Return a menu that may be applied."""
    if not isinstance(menu_id, str) or not _MENU_ID.fullmatch(menu_id):
        raise body_errors(("invalid richMenuId", "richMenuId"))
    menu = call.account.menus.by_id.get(menu_id)
    if menu is None:
        raise not_found("richmenu not found")
    if menu.image is None:
        raise LineError(400, _NO_IMAGE)
    return menu


def set_default(call: Call) -> Answer:
    """Make a menu the default of everybody without one of their own."""
    menu = _menu(call)
    if menu.image is None:
        raise LineError(400, _NO_IMAGE)
    call.account.menus.default_id = menu.menu_id
    return Answer()


def get_default(call: Call) -> Answer:
    """Return the default menu's id."""
    if call.account.menus.default_id is None:
        raise not_found("no default richmenu")
    return Answer({"richMenuId": call.account.menus.default_id})


def clear_default(call: Call) -> Answer:
    """Have no default menu."""
    call.account.menus.default_id = None
    return Answer()


def _apply(call: Call, user_id: str, menu_id: str | None) -> bool:
    """Link or unlink; False where LINE answers 200 without doing so (blocked, not a friend)."""
    friendship: Friendship | None = call.account.friends.get(user_id)
    if friendship is None or not friendship.is_friend:
        return False
    friendship.rich_menu_id = menu_id
    call.world.feed.tell(call.account.slug, user_id, news("menu", richMenuId=call.account.menu_of(user_id)))
    return True


def _record(call: Call, api: str, to: tuple[str, ...], done: tuple[str, ...], menu_id: str | None) -> None:
    entry = Accept(api, call.account.slug, call.request_id, call.world.now(), to)
    entry.delivered_to = done
    entry.detail = {"rich_menu_id": menu_id} if menu_id else None
    call.world.accepts.add(entry)


def link(call: Call) -> Answer:
    """Link a menu to a user. LINE: 200 also for blockers and strangers, without linking."""
    person, _ = known_user(call)
    menu = _menu(call)
    if menu.image is None:
        raise LineError(400, _NO_IMAGE)
    if person is None:
        raise LineError(400, "The value for the 'userId' parameter is invalid")
    done = (person.user_id,) if _apply(call, person.user_id, menu.menu_id) else ()
    _record(call, "link_menu", (person.user_id,), done, menu.menu_id)
    return Answer()


def unlink(call: Call) -> Answer:
    """Take a user's own menu away."""
    known_user(call)
    user_id = call.path["user_id"]
    done = (user_id,) if _apply(call, user_id, None) else ()
    _record(call, "unlink_menu", (user_id,), done, None)
    return Answer()


def of_user(call: Call) -> Answer:
    """Return the id of the menu linked to a user."""
    _, friendship = known_user(call)
    if friendship is None or friendship.rich_menu_id not in call.account.menus.by_id:
        raise not_found("the user has no richmenu")
    return Answer({"richMenuId": friendship.rich_menu_id})


def bulk_link(call: Call) -> Answer:
    """Link a menu to up to 500 users; LINE does it within seconds after its 202, the stand-in at once."""
    body = call.json()
    ids = recipients(body.get("userIds"), "userIds", MOST_RECIPIENTS)
    menu = _usable(call, body.get("richMenuId"))
    done = tuple(user_id for user_id in ids if _apply(call, user_id, menu.menu_id))
    _record(call, "link_menu_bulk", tuple(ids), done, menu.menu_id)
    return Answer(status=202)


def bulk_unlink(call: Call) -> Answer:
    """Take the menus of up to 500 users away."""
    ids = recipients(call.json().get("userIds"), "userIds", MOST_RECIPIENTS)
    done = tuple(user_id for user_id in ids if _apply(call, user_id, None))
    _record(call, "unlink_menu_bulk", tuple(ids), done, None)
    return Answer(status=202)


def create_alias(call: Call) -> Answer:
    """LINE: at most 1,000 aliases of up to 32 `[a-z0-9_-]`; the menu needs a picture."""
    body = call.json()
    alias = body.get("richMenuAliasId")
    if not isinstance(alias, str) or not _ALIAS_ID.fullmatch(alias):
        raise body_errors(("invalid richMenuAliasId", "richMenuAliasId"))
    menu = _usable(call, body.get("richMenuId"))
    aliases = call.account.menus.aliases
    if alias in aliases:
        raise LineError(400, "conflict richmenu alias id")
    if len(aliases) >= MOST_MENUS:
        raise LineError(400, "The number of rich menu aliases has reached the limit")
    aliases[alias] = menu.menu_id
    return Answer()


def _alias(call: Call) -> str:
    alias: str = call.path["alias_id"]
    if alias not in call.account.menus.aliases:
        raise not_found("richmenu alias not found")
    return alias


def _shown_alias(alias: str, menu_id: str) -> dict[str, str]:
    return {"richMenuAliasId": alias, "richMenuId": menu_id}


def get_alias(call: Call) -> Answer:
    """Return one alias."""
    alias = _alias(call)
    return Answer(_shown_alias(alias, call.account.menus.aliases[alias]))


def update_alias(call: Call) -> Answer:
    """Point an alias at another menu."""
    alias = _alias(call)
    call.account.menus.aliases[alias] = _usable(call, call.json().get("richMenuId")).menu_id
    return Answer()


def delete_alias(call: Call) -> Answer:
    """Delete an alias."""
    del call.account.menus.aliases[_alias(call)]
    return Answer()


def list_aliases(call: Call) -> Answer:
    """Return every alias."""
    return Answer({"aliases": [_shown_alias(*pair) for pair in call.account.menus.aliases.items()]})


_MENU = "/v2/bot/richmenu"

ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/user/all/richmenu", get_default, "default_menu", "GET"),
    line_route("/v2/bot/user/all/richmenu", clear_default, "default_menu", "DELETE"),
    line_route("/v2/bot/user/all/richmenu/{menu_id}", set_default, "default_menu"),
    line_route("/v2/bot/user/{user_id}/richmenu/{menu_id}", link, "link_menu"),
    line_route("/v2/bot/user/{user_id}/richmenu", unlink, "unlink_menu", "DELETE"),
    line_route("/v2/bot/user/{user_id}/richmenu", of_user, "menu_of_user", "GET"),
    line_route(f"{_MENU}/bulk/link", bulk_link, "link_menu_bulk"),
    line_route(f"{_MENU}/bulk/unlink", bulk_unlink, "unlink_menu_bulk"),
    line_route(f"{_MENU}/validate", validate, "validate_menu"),
    line_route(f"{_MENU}/list", listing, "list_menus", "GET", Limit(10)),
    line_route(f"{_MENU}/alias/list", list_aliases, "menu_aliases", "GET"),
    line_route(f"{_MENU}/alias", create_alias, "menu_alias"),
    line_route(f"{_MENU}/alias/{{alias_id}}", get_alias, "menu_alias", "GET"),
    line_route(f"{_MENU}/alias/{{alias_id}}", update_alias, "menu_alias"),
    line_route(f"{_MENU}/alias/{{alias_id}}", delete_alias, "menu_alias", "DELETE", _HUNDRED_AN_HOUR),
    line_route(_MENU, create, "create_menu", limit=_HUNDRED_AN_HOUR),
    line_route(f"{_MENU}/{{menu_id}}/content", upload, "menu_image"),
    line_route(f"{_MENU}/{{menu_id}}/content", download, "menu_image", "GET"),
    line_route(f"{_MENU}/{{menu_id}}", get, "get_menu", "GET"),
    line_route(f"{_MENU}/{{menu_id}}", delete, "delete_menu", "DELETE", _HUNDRED_AN_HOUR),
]
