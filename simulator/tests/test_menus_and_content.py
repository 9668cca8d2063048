"""Rich menus from creation to a user's screen, content from a user's phone to the account."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from simulator.tests.stand import BOUND, UNBOUND, Stand
from simulator.world.drawing import Canvas

pytestmark = pytest.mark.asyncio(loop_scope="session")
MENU: dict[str, Any] = {
    "size": {"width": 1200, "height": 600},
    "selected": True,
    "name": "Season",
    "chatBarText": "Season",
    "areas": [
        {"bounds": {"x": 0, "y": 0, "width": 1200, "height": 600}, "action": {"type": "message", "text": "season"}}
    ],
}


def picture(width: int = 1200, height: int = 600) -> bytes:
    return Canvas(width, height, ((1, 2, 3),)).png()


async def upload(stand: Stand, menu: str, data: bytes, kind: str = "image/png") -> tuple[int, str]:
    head = {"authorization": "Bearer token-cafe", "content-type": kind}
    answer = await stand.call("POST", f"/v2/bot/richmenu/{menu}/content", data=data, headers=head)
    return answer.status, answer.json.get("message", "")


async def test_a_menu_is_made_pictured_linked_and_seen(stand: Stand) -> None:
    (user,) = await stand.friends()
    menu = (await stand.api("POST", "/v2/bot/richmenu", MENU)).json["richMenuId"]
    link = f"/v2/bot/user/{user}/richmenu/{menu}"
    early = await stand.api("POST", link)
    assert (early.status, early.json["message"]) == (400, "must upload richmenu image before applying it to user")
    assert await upload(stand, menu, picture(1200, 599)) == (400, "The image size is not allowed for richmenu")
    assert (await upload(stand, menu, picture(), "image/gif"))[0] == 415
    assert await upload(stand, menu, picture()) == (200, "")
    assert await upload(stand, menu, picture()) == (400, "An image has already been uploaded to the richmenu")
    assert (await stand.api("GET", f"/v2/bot/richmenu/{menu}/content")).raw == picture()
    assert (await stand.api("POST", link)).json == {}
    assert (await stand.api("GET", f"/v2/bot/user/{user}/richmenu")).json == {"richMenuId": menu}
    assert (await stand.control("GET", f"/users/cafe/{user}"))["rich_menu"] == {"linked": menu, "effective": menu}
    await stand.api("DELETE", f"/v2/bot/richmenu/{menu}")
    assert (await stand.control("GET", f"/users/cafe/{user}"))["rich_menu"]["effective"] is None


BAD_MENUS = [
    ({"chatBarText": "x" * 15}, "chatBarText"),
    ({"size": {"width": 799, "height": 500}}, "size.width"),
    ({"size": {"width": 1000, "height": 700}}, "size.height"),
    ({"areas": MENU["areas"] * 21}, "areas"),
]


@pytest.mark.parametrize(("change", "where"), BAD_MENUS)
async def test_a_menu_beyond_the_limits_is_refused(stand: Stand, change: dict[str, Any], where: str) -> None:
    answer = await stand.api("POST", "/v2/bot/richmenu/validate", MENU | change)
    assert answer.status == 400
    assert answer.json["details"][0]["property"] == where


async def test_the_accounts_menus_exist_from_the_start_with_pictures(stand: Stand) -> None:
    menus = (await stand.api("GET", "/v2/bot/richmenu/list")).json["richmenus"]
    assert {menu["richMenuId"]: menu["name"] for menu in menus} == {BOUND: "Member menu", UNBOUND: "Guest menu"}
    image = await stand.api("GET", f"/v2/bot/richmenu/{BOUND}/content")
    assert image.raw.startswith(b"\x89PNG")
    assert len(image.raw) < 1024 * 1024


async def test_a_default_menu_shows_for_those_without_their_own(stand: Stand) -> None:
    first, second = await stand.friends(2)
    await stand.api("POST", f"/v2/bot/user/all/richmenu/{UNBOUND}")
    await stand.api("POST", "/v2/bot/richmenu/bulk/link", {"richMenuId": BOUND, "userIds": [first]})
    shown = [(await stand.control("GET", f"/users/cafe/{user}"))["rich_menu"]["effective"] for user in (first, second)]
    assert shown == [BOUND, UNBOUND]
    answer = await stand.api("POST", "/v2/bot/richmenu/bulk/unlink", {"userIds": [first, second]})
    assert answer.status == 202
    assert (await stand.control("GET", f"/users/cafe/{first}"))["rich_menu"]["effective"] == UNBOUND


async def test_linking_a_blocker_answers_200_and_links_nothing(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.act(user, "block")
    assert (await stand.api("POST", f"/v2/bot/user/{user}/richmenu/{BOUND}")).status == 200
    assert (await stand.api("GET", f"/v2/bot/user/{user}/richmenu")).status == 404
    entry = (await stand.control("GET", "/accepts"))["items"][-1]
    assert (entry["api"], entry["to"], entry["delivered_to"]) == ("link_menu", [user], [])


async def test_aliases_switch_menus_by_a_tap(stand: Stand) -> None:
    (user,) = await stand.friends()
    alias = {"richMenuAliasId": "rm-member", "richMenuId": BOUND}
    assert (await stand.api("POST", "/v2/bot/richmenu/alias", alias)).status == 200
    again = await stand.api("POST", "/v2/bot/richmenu/alias", alias)
    assert (again.status, again.json["message"]) == (400, "conflict richmenu alias id")
    await stand.act(user, "menu_switch", alias="rm-member", data="a=menu.tab")
    ok = await stand.event("postback")
    assert ok["postback"]["params"] == {"newRichMenuAliasId": "rm-member", "status": "SUCCESS"}
    assert (await stand.api("GET", f"/v2/bot/user/{user}/richmenu")).json == {"richMenuId": BOUND}
    stand.receiver.webhooks.clear()
    await stand.act(user, "menu_switch", alias="rm-none", data="a=menu.tab")
    failed = await stand.event("postback")
    assert failed["postback"]["params"] == {"status": "RICHMENU_ALIAS_ID_NOTFOUND"}


async def test_content_is_prepared_served_and_gone_after_unsend(stand: Stand) -> None:
    (user,) = await stand.friends()
    photo = base64.b64encode(picture()).decode()
    sent = await stand.act(user, "video", data=photo, media_type="video/mp4", prepare_ms=60_000)
    path = f"/v2/bot/message/{sent['message_id']}/content"
    assert (await stand.api("GET", path)).status == 202
    assert (await stand.api("GET", f"{path}/transcoding")).json == {"status": "processing"}
    stand.clock.offset = 61
    ready = await stand.api("GET", path)
    assert (ready.status, ready.headers["content-type"], ready.raw) == (200, "video/mp4", picture())
    assert (await stand.api("GET", path, token="token-repair")).status == 404
    await stand.act(user, "unsend", message_id=sent["message_id"])
    gone = await stand.api("GET", path)
    assert (gone.status, gone.json["message"]) == (410, "The content is gone")


async def test_followers_come_in_pages_without_blockers(stand: Stand) -> None:
    users = await stand.friends(25)
    await stand.act(users[3], "block")
    first = (await stand.api("GET", "/v2/bot/followers/ids?limit=20")).json
    rest = (await stand.api("GET", f"/v2/bot/followers/ids?limit=20&start={first['next']}")).json
    assert first["userIds"] + rest["userIds"] == [user for user in users if user != users[3]]
    assert "next" not in rest
    await stand.control("PATCH", "/cafe", {"is_premium": False})
    assert (await stand.api("GET", "/v2/bot/followers/ids")).status == 403
    await stand.control("PATCH", "/cafe", {"is_premium": True})


async def test_a_profile_is_hidden_from_blocked_accounts(stand: Stand) -> None:
    (user,) = await stand.friends()
    profile = (await stand.api("GET", f"/v2/bot/profile/{user}")).json
    assert profile["userId"] == user
    assert profile["displayName"]
    await stand.act(user, "block")
    assert (await stand.api("GET", f"/v2/bot/profile/{user}")).status == 404
