"""Rich menus of one account: the objects, their pictures, the default, aliases."""

from __future__ import annotations

import secrets
from typing import Any

from simulator.world.drawing import Canvas

MOST_MENUS = 1000
_WIDTH, _HEIGHT = 1200, 810
_PALETTE = ((246, 244, 238), (255, 255, 255), (31, 78, 82), (214, 96, 68), (226, 220, 206))


class RichMenu:
    """A rich menu and its picture, if one was uploaded."""

    __slots__ = ("body", "image", "image_type", "menu_id")

    def __init__(self, menu_id: str, body: dict[str, Any]) -> None:
        self.menu_id = menu_id
        self.body = body
        self.image: bytes | None = None
        self.image_type = ""

    def shown(self) -> dict[str, Any]:
        """Return the menu as `GET /v2/bot/richmenu/{id}` shows it."""
        return {"richMenuId": self.menu_id, **self.body}


class RichMenus:
    """All menus of an account. LINE: at most 1,000 menus and 1,000 aliases."""

    def __init__(self) -> None:
        self.by_id: dict[str, RichMenu] = {}
        self.aliases: dict[str, str] = {}
        self.default_id: str | None = None

    def create(self, body: dict[str, Any], menu_id: str | None = None) -> RichMenu:
        """Add a menu without a picture."""
        menu = RichMenu(menu_id or f"richmenu-{secrets.token_hex(16)}", body)
        self.by_id[menu.menu_id] = menu
        return menu

    def delete(self, menu_id: str) -> None:
        """Remove a menu; where it was the default there is none afterwards."""
        del self.by_id[menu_id]
        if self.default_id == menu_id:
            self.default_id = None

    def effective(self, linked: str | None) -> str | None:
        """Return the menu a user sees. LINE: per-user before default; a deleted menu shows as none."""
        if linked in self.by_id:
            return linked
        return self.default_id


def _tile(label: str, action: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return label, action


def _postback(label: str, data: str, shown: str) -> tuple[str, dict[str, Any]]:
    return _tile(label, {"type": "postback", "label": label.title(), "data": data, "displayText": shown})


def _message(label: str, text: str) -> tuple[str, dict[str, Any]]:
    return _tile(label, {"type": "message", "label": label.title(), "text": text})


def member_menu(menu_id: str, shop_url: str) -> RichMenu:
    """Return the menu of bound members: card, coupons, points, tickets, shop, help."""
    tiles = [
        _postback("CARD", "a=card.show", "Member card"),
        _postback("COUPONS", "a=coupon.list", "My coupons"),
        _postback("POINTS", "a=points.show", "My points"),
        _postback("SERVICE", "a=ticket.new", "Request service"),
        _tile("SHOP", {"type": "uri", "label": "Shop", "uri": shop_url}),
        _message("HELP", "Help"),
    ]
    return _drawn(menu_id, "Member menu", "Member menu", tiles)


def guest_menu(menu_id: str, shop_url: str) -> RichMenu:
    """Return the menu of people who are not bound yet: join, shop, help."""
    tiles = [
        _postback("JOIN", "a=bind.start", "Become a member"),
        _tile("SHOP", {"type": "uri", "label": "Shop", "uri": shop_url}),
        _message("HELP", "Help"),
    ]
    return _drawn(menu_id, "Guest menu", "Menu", tiles)


def _drawn(menu_id: str, name: str, bar: str, tiles: list[tuple[str, dict[str, Any]]]) -> RichMenu:
    rows = 1 if len(tiles) <= 3 else 2
    width, height = _WIDTH // 3, _HEIGHT // rows
    canvas = Canvas(_WIDTH, _HEIGHT, _PALETTE)
    canvas.box(0, 0, _WIDTH, _HEIGHT, 4)
    areas = []
    for index, (label, action) in enumerate(tiles):
        x, y = index % 3 * width, index // 3 * height
        canvas.box(x + 6, y + 6, width - 12, height - 12, 1 if index else 2)
        ink = 2 if index else 1
        canvas.disc(x + width // 2, y + height // 2 - 50, 62, 3 if index == 0 else 0)
        canvas.text(x + width // 2, y + height // 2 - 78, label[0], 8, ink)
        canvas.text(x + width // 2, y + height // 2 + 62, label, 6, ink)
        areas.append({"bounds": {"x": x, "y": y, "width": width, "height": height}, "action": action})
    body = {"size": {"width": _WIDTH, "height": _HEIGHT}, "selected": True, "name": name, "chatBarText": bar}
    menu = RichMenu(menu_id, {**body, "areas": areas})
    menu.image, menu.image_type = canvas.png(), "image/png"
    return menu
