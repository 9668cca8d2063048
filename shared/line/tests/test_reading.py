"""Users, menus, the account, LINE Login: what is read from answers, and where calls go."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.line.account import BotInfo, Quota
from shared.line.client import LineClient
from shared.line.login import InvalidIdToken, VerifiedUser
from shared.line.narrowcasts import NarrowcastProgress
from shared.line.outcomes import Accepted, Rejected, Unauthorised, Unknown
from shared.line.users import FollowersPage, LinkToken, Profile

USER = "U" + "a" * 32
MENU = "richmenu-" + "0" * 32
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
UNREADABLE = Unknown("unreadable", may_have_been_accepted=True, request_id="req-1")


async def test_a_profile_is_read(line: LineClient, fake_line: Any, reply: Any) -> None:
    shown = {
        "userId": USER,
        "displayName": "小美 🍎",
        "language": "zh-TW",
        "pictureUrl": "https://p.example/1",
        "new": 1,
    }
    fake_line.answers(reply(200, shown))
    assert await line.users.profile("north", USER) == Profile(USER, "小美 🍎", "zh-TW", "https://p.example/1")
    assert fake_line.got[0].path == f"/v2/bot/profile/{USER}"


async def test_a_person_line_does_not_show_has_no_profile(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(404, {"message": "Not found"}))
    assert await line.users.profile("north", USER) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[]", b'{"userId": 5, "displayName": null}'])
async def test_an_unreadable_profile_is_unknown(line: LineClient, fake_line: Any, reply: Any, body: bytes) -> None:
    fake_line.answers(reply(200, body))
    assert await line.users.profile("north", USER) == UNREADABLE


async def test_a_reading_call_survives_a_body_that_breaks_off(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, b'{"userId"', kind="cut"), reply(200, {"userId": USER, "displayName": "A"}))
    assert await line.users.profile("north", USER) == Profile(USER, "A")


async def test_profiles_stay_out_of_texts(line: LineClient) -> None:
    assert USER not in repr(Profile(USER, "A")) + repr(FollowersPage((USER,))) + repr(LinkToken("secret"))
    assert "secret" not in repr(LinkToken("secret"))


async def test_ids_cannot_leave_their_place_in_the_path(line: LineClient, fake_line: Any) -> None:
    await line.users.profile("north", "../../richmenu?x=#/é")
    assert fake_line.got[0].path == "/v2/bot/profile/..%2F..%2Frichmenu%3Fx%3D%23%2F%C3%A9"


async def test_followers_come_in_pages(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, {"userIds": [USER], "next": "t&1"}), reply(200, {"userIds": []}))
    assert await line.users.followers("north") == FollowersPage((USER,), "t&1")
    assert await line.users.followers("north", start="t&1", limit=10) == FollowersPage(())
    assert [got.path for got in fake_line.got] == [
        "/v2/bot/followers/ids?limit=1000",
        "/v2/bot/followers/ids?limit=10&start=t%261",
    ]


async def test_followers_are_refused_to_unverified_accounts(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(403, {"message": "Access to this API is not available for your account"}))
    outcome = await line.users.followers("north")
    assert isinstance(outcome, Rejected)
    assert outcome.status == 403


async def test_a_link_token_is_issued(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, {"linkToken": "lt-1"}))
    assert await line.users.issue_link_token("north", USER) == LinkToken("lt-1")
    assert (fake_line.got[0].method, fake_line.got[0].path) == ("POST", f"/v2/bot/user/{USER}/linkToken")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "limited", "value": 200}, Quota(200)),
        ({"type": "none"}, Quota(None)),
        ({"type": "limited"}, UNREADABLE),
        ({}, UNREADABLE),
    ],
)
async def test_the_quota_is_read(line: LineClient, fake_line: Any, reply: Any, body: Any, expected: Any) -> None:
    fake_line.answers(reply(200, body))
    assert await line.account.quota("north") == expected


async def test_consumption_units_and_bot_info_are_read(line: LineClient, fake_line: Any, reply: Any) -> None:
    info = {"userId": USER, "basicId": "@north", "displayName": "North", "chatMode": "chat", "markAsReadMode": "auto"}
    fake_line.answers(reply(200, {"totalUsage": 17}), reply(200, {"numOfCustomAggregationUnits": 3}), reply(200, info))
    assert await line.account.quota_consumption("north") == 17
    assert await line.account.aggregation_units("north") == 3
    assert await line.account.bot_info("north") == BotInfo(USER, "@north", "North", chat_mode="chat")


async def test_a_revoked_token_is_told_by_reading_calls_too(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(401, {"message": "invalid token"}))
    assert await line.account.bot_info("north") == Unauthorised("req-1")


async def test_narrowcast_progress_keeps_phases_of_the_future(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(
        reply(200, {"phase": "hibernating", "acceptedTime": "2026-11-01T00:00:00.000Z"}),
        reply(200, {"phase": "failed", "errorCode": 2, "failedDescription": "few", "successCount": 0}),
        reply(404, {"message": "Not found"}),
    )
    assert await line.narrowcasts.progress("north", "r 1") == NarrowcastProgress(
        "hibernating", accepted_time="2026-11-01T00:00:00.000Z"
    )
    assert await line.narrowcasts.progress("north", "r") == NarrowcastProgress(
        "failed", success_count=0, error_code=2, failed_description="few"
    )
    assert await line.narrowcasts.progress("north", "r") is None
    assert fake_line.got[0].path.endswith("?requestId=r%201")


MENU_CALLS: list[tuple[str, tuple[Any, ...], str, str, Any]] = [
    ("link", (USER, MENU), "POST", f"/v2/bot/user/{USER}/richmenu/{MENU}", None),
    ("unlink", (USER,), "DELETE", f"/v2/bot/user/{USER}/richmenu", None),
    ("bulk_link", ([USER], MENU), "POST", "/v2/bot/richmenu/bulk/link", {"richMenuId": MENU, "userIds": [USER]}),
    ("bulk_unlink", ([USER],), "POST", "/v2/bot/richmenu/bulk/unlink", {"userIds": [USER]}),
    ("delete", (MENU,), "DELETE", f"/v2/bot/richmenu/{MENU}", None),
    ("set_default", (MENU,), "POST", f"/v2/bot/user/all/richmenu/{MENU}", None),
    ("clear_default", (), "DELETE", "/v2/bot/user/all/richmenu", None),
    ("create_alias", ("a-1", MENU), "POST", "/v2/bot/richmenu/alias", {"richMenuAliasId": "a-1", "richMenuId": MENU}),
    ("update_alias", ("a-1", MENU), "POST", "/v2/bot/richmenu/alias/a-1", {"richMenuId": MENU}),
    ("delete_alias", ("a-1",), "DELETE", "/v2/bot/richmenu/alias/a-1", None),
]


@pytest.mark.parametrize(("name", "given", "method", "path", "body"), MENU_CALLS)
async def test_menu_calls_go_to_their_endpoints(
    line: LineClient, fake_line: Any, name: str, given: tuple[Any, ...], method: str, path: str, body: Any
) -> None:
    assert await getattr(line.menus, name)("north", *given) == Accepted("req-1")
    (got,) = fake_line.got
    assert (got.method, got.path) == (method, path)
    assert (got.json() if got.body else None) == body


async def test_the_menu_of_a_user_is_read(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, {"richMenuId": MENU}), reply(404, {"message": "the user has no richmenu"}))
    assert await line.menus.of_user("north", USER) == MENU
    assert await line.menus.of_user("north", USER) is None
    assert await line.menus.default("north") is None


@pytest.mark.parametrize("count", [0, 501])
async def test_bulk_calls_take_1_to_500_users(line: LineClient, fake_line: Any, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 500"):
        await line.menus.bulk_link("north", [USER] * count, MENU)
    with pytest.raises(ValueError, match="1 to 500"):
        await line.menus.bulk_unlink("north", [USER] * count)
    assert fake_line.got == []


async def test_a_menu_is_not_made_twice(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(500))
    outcome = await line.menus.create("north", {"name": "n"})
    assert outcome == Unknown("server_error", may_have_been_accepted=True, request_id="req-1")
    assert len(fake_line.got) == 1


async def test_a_menu_is_made_and_gets_its_picture(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(200, {"richMenuId": MENU}), reply(200, b""))
    assert await line.menus.create("north", {"name": "n"}) == MENU
    assert await line.menus.upload_image("north", MENU, PNG) == Accepted("req-1")
    assert fake_line.got[1].path == f"/v2/bot/richmenu/{MENU}/content"
    assert fake_line.got[1].headers["content-type"] == "image/png"
    assert fake_line.got[1].body == PNG


@pytest.mark.parametrize("image", [b"GIF89a", b"", PNG + b"\0" * 1024 * 1024])
async def test_a_picture_line_would_refuse_is_refused(line: LineClient, fake_line: Any, image: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG or PNG of at most 1 MB"):
        await line.menus.upload_image("north", MENU, image)
    assert fake_line.got == []


async def test_an_id_token_is_verified_with_the_login_channel(line: LineClient, fake_line: Any, reply: Any) -> None:
    claims = {"iss": "https://access.line.me", "sub": USER, "aud": "1650000001", "exp": 1, "iat": 0, "name": "小美"}
    fake_line.answers(reply(200, claims))
    assert await line.login.verify_id_token("north", "a.b+c", nonce="n&1") == VerifiedUser(USER, "小美")
    (got,) = fake_line.got
    assert got.path == "/oauth2/v2.1/verify"
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in got.headers
    assert parse_qs(got.body.decode()) == {"id_token": ["a.b+c"], "client_id": ["1650000001"], "nonce": ["n&1"]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            400,
            {"error": "invalid_request", "error_description": "IdToken expired."},
            InvalidIdToken("IdToken expired."),
        ),
        (200, {"sub": USER, "aud": "1699999999"}, InvalidIdToken("Invalid IdToken Audience.")),
        (200, {"sub": None, "aud": "1650000001"}, UNREADABLE),
        (200, {}, UNREADABLE),
        (403, {"error": "no"}, Rejected(403, "no", (), "req-1")),
    ],
)
async def test_an_id_token_that_proves_nothing(
    line: LineClient, fake_line: Any, reply: Any, status: int, body: Any, expected: Any
) -> None:
    fake_line.answers(reply(status, body))
    assert await line.login.verify_id_token("north", "t") == expected


async def test_an_account_without_login_channel_cannot_verify(line: LineClient) -> None:
    with pytest.raises(ValueError, match="login_channel_id"):
        await line.login.verify_id_token("south", "t")
