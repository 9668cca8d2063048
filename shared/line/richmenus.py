"""Rich menus: making them, and which user sees which (LINE platform §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson

from shared.line.answers import plain_outcome, reading, reading_or_absent
from shared.line.outcomes import Failure, Outcome
from shared.line.prepared import check_recipients
from shared.line.transport import Call, Patience, Transport

MOST_IMAGE_BYTES = 1024 * 1024
UPLOAD = Patience(attempts=1, within=30, attempt=30)
_IMAGE_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class RichMenus:
    """Makes rich menus and links them. LINE: a menu and its image never change; make a new one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def link(self, channel: str, user_id: str, rich_menu_id: str) -> Outcome:
        """Show a user this menu, at once. LINE accepts it for people who blocked the account, and does nothing."""
        path = f"user/{quote(user_id, safe='')}/richmenu/{quote(rich_menu_id, safe='')}"
        return await self._do("link_menu", "POST", path, channel)

    async def unlink(self, channel: str, user_id: str) -> Outcome:
        """Show a user the account's default menu again."""
        return await self._do("unlink_menu", "DELETE", f"user/{quote(user_id, safe='')}/richmenu", channel)

    async def of_user(self, channel: str, user_id: str) -> str | Failure | None:
        """Return the id of the menu linked to a user; None where none is."""
        call = self._call("menu_of_user", "GET", f"user/{quote(user_id, safe='')}/richmenu", channel)
        return await self._transport.perform(call, reading_or_absent(_rich_menu_id))

    async def bulk_link(self, channel: str, user_ids: Sequence[str], rich_menu_id: str) -> Outcome:
        """Link up to 500 users; LINE does it within seconds after accepting.

        Raises:
            ValueError: no user id, or more than 500.
        """
        check_recipients(user_ids)
        body = {"richMenuId": rich_menu_id, "userIds": list(user_ids)}
        return await self._do("bulk_link_menu", "POST", "richmenu/bulk/link", channel, body)

    async def bulk_unlink(self, channel: str, user_ids: Sequence[str]) -> Outcome:
        """Unlink up to 500 users.

        Raises:
            ValueError: no user id, or more than 500.
        """
        check_recipients(user_ids)
        body = {"userIds": list(user_ids)}
        return await self._do("bulk_unlink_menu", "POST", "richmenu/bulk/unlink", channel, body)

    async def create(self, channel: str, rich_menu: Mapping[str, Any]) -> str | Failure:
        """Create a menu and return its id; not repeated by itself, a second one would stay (LINE: 100 an hour).

        Args:
            channel: the account's slug.
            rich_menu: LINE's rich menu object, such as `shared.line.builders.rich_menu` makes.
        """
        call = self._call("create_menu", "POST", "richmenu", channel, rich_menu, repeatable=False)
        return await self._transport.perform(call, reading(_rich_menu_id))

    async def upload_image(self, channel: str, rich_menu_id: str, image: bytes) -> Outcome:
        """Give a menu its picture, once and for ever.

        Raises:
            ValueError: the picture is no JPEG or PNG, or is over 1 MB.
        """
        content_type = next((kind for magic, kind in _IMAGE_TYPES if image.startswith(magic)), None)
        if content_type is None or len(image) > MOST_IMAGE_BYTES:
            raise ValueError("a rich menu's picture is a JPEG or PNG of at most 1 MB")
        url = f"{self._transport.data_url}/v2/bot/richmenu/{quote(rich_menu_id, safe='')}/content"
        call = Call("upload_menu_image", "POST", url, channel, image, content_type, repeatable=False)
        return await self._transport.perform(call, plain_outcome, patience=UPLOAD)

    async def delete(self, channel: str, rich_menu_id: str) -> Outcome:
        """Delete a menu (LINE: 100 an hour)."""
        return await self._do("delete_menu", "DELETE", f"richmenu/{quote(rich_menu_id, safe='')}", channel)

    async def default(self, channel: str) -> str | Failure | None:
        """Return the id of the menu everybody without one of their own sees; None where none is set."""
        call = self._call("default_menu", "GET", "user/all/richmenu", channel)
        return await self._transport.perform(call, reading_or_absent(_rich_menu_id))

    async def set_default(self, channel: str, rich_menu_id: str) -> Outcome:
        """Set that menu; seen when a chat is opened again."""
        return await self._do("set_default_menu", "POST", f"user/all/richmenu/{quote(rich_menu_id, safe='')}", channel)

    async def clear_default(self, channel: str) -> Outcome:
        """Set no default menu."""
        return await self._do("clear_default_menu", "DELETE", "user/all/richmenu", channel)

    async def create_alias(self, channel: str, alias_id: str, rich_menu_id: str) -> Outcome:
        """Name a menu for switch actions; the menu must have its picture. A taken name is refused with 400."""
        body = {"richMenuAliasId": alias_id, "richMenuId": rich_menu_id}
        return await self._do("create_menu_alias", "POST", "richmenu/alias", channel, body, repeatable=False)

    async def update_alias(self, channel: str, alias_id: str, rich_menu_id: str) -> Outcome:
        """Point a name at another menu."""
        path = f"richmenu/alias/{quote(alias_id, safe='')}"
        return await self._do("update_menu_alias", "POST", path, channel, {"richMenuId": rich_menu_id})

    async def delete_alias(self, channel: str, alias_id: str) -> Outcome:
        """Drop a name (LINE: 100 an hour)."""
        return await self._do("delete_menu_alias", "DELETE", f"richmenu/alias/{quote(alias_id, safe='')}", channel)

    async def _do(
        self,
        api: str,
        method: str,
        path: str,
        channel: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Outcome:
        call = self._call(api, method, path, channel, body, repeatable=repeatable)
        return await self._transport.perform(call, plain_outcome)

    def _call(
        self,
        api: str,
        method: str,
        path: str,
        channel: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Call:
        content = None if body is None else orjson.dumps(body)
        url = f"{self._transport.api_url}/v2/bot/{path}"
        return Call(api, method, url, channel, content, repeatable=repeatable)


def _rich_menu_id(fields: dict[str, Any]) -> str:
    rich_menu_id = fields["richMenuId"]
    if not isinstance(rich_menu_id, str):
        raise TypeError("richMenuId is no text")
    return rich_menu_id
