"""Account link, LIFF, ID tokens, channel tokens: what happens in a user's browser and behind it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from simulator.server import running
from simulator.settings import SimulatorSettings
from simulator.tests.stand import CHANNELS, SECRET, Answer, Stand

pytestmark = pytest.mark.asyncio(loop_scope="session")
NONCE = "FGFyYQm7ktYOh8DjF9ld2g"


async def link_token(stand: Stand, user: str) -> str:
    return str((await stand.api("POST", f"/v2/bot/user/{user}/linkToken")).json["linkToken"])


async def visit(stand: Stand, token: str, user: str | None, nonce: str = NONCE) -> Answer:
    cookies = {"cookie": f"sim_user={user}"} if user else {}
    path = f"/dialog/bot/accountLink?linkToken={token}&nonce={nonce}"
    return await stand.call("GET", path, headers=cookies)


async def links(stand: Stand) -> list[dict[str, Any]]:
    await stand.dispatcher.quiet(5)
    return [event for event in stand.receiver.events if event["type"] == "accountLink"]


async def test_the_right_user_links_and_the_account_is_told(stand: Stand) -> None:
    (user,) = await stand.friends()
    assert (await visit(stand, await link_token(stand, user), user)).status == 200
    (event,) = await links(stand)
    assert event["link"] == {"result": "ok", "nonce": NONCE}
    assert event["source"] == {"type": "user", "userId": user}
    assert event["replyToken"]


async def test_another_user_fails_without_a_source_or_reply_token(stand: Stand) -> None:
    first, second = await stand.friends(2)
    assert (await visit(stand, await link_token(stand, first), second)).status == 403
    (event,) = await links(stand)
    assert event["link"]["result"] == "failed"
    assert "source" not in event
    assert "replyToken" not in event


@pytest.mark.parametrize("spoil", ["used", "expired", "unknown", "short nonce"])
async def test_a_link_that_cannot_be_used_sends_no_event(stand: Stand, spoil: str) -> None:
    (user,) = await stand.friends()
    token = await link_token(stand, user)
    if spoil == "used":
        await visit(stand, token, user)
        await stand.dispatcher.quiet(5)
        stand.receiver.webhooks.clear()
    if spoil == "expired":
        stand.clock.offset = 601
    answer = await visit(
        stand, "nonsense" if spoil == "unknown" else token, user, "short" if spoil == "short nonce" else NONCE
    )
    assert answer.status == 400
    await stand.dispatcher.quiet(5)
    assert [event["type"] for event in stand.receiver.events if event["type"] == "accountLink"] == []


async def test_a_stand_in_users_browser_follows_the_link_by_itself(stand: Stand) -> None:
    (user,) = await stand.friends()
    url = f"{stand.url}/dialog/bot/accountLink?linkToken={await link_token(stand, user)}&nonce={NONCE}"
    opened = await stand.control("POST", f"/cafe/users/{user}/open", {"url": url})
    assert (opened["status"], len(opened["hops"])) == (200, 1)
    assert (await links(stand))[0]["link"]["result"] == "ok"


async def test_a_browser_opens_only_what_it_may(stand: Stand) -> None:
    (user,) = await stand.friends()
    opened = await stand.control("POST", f"/cafe/users/{user}/open", {"url": "https://line.me/R/ti/p/@x"})
    assert opened == {"hops": [], "external": "https://line.me/R/ti/p/@x"}


async def test_liff_hands_the_app_a_login_of_the_user(stand: Stand) -> None:
    (user,) = await stand.friends()
    answer = await stand.call("GET", f"/liff/2000000001-cafeliff?s=poster&sim_user={user}")
    target = urlsplit(answer.headers["location"])
    assert answer.status == 302
    assert (target.path, parse_qs(target.query)) == ("/liff/source", {"s": ["poster"]})
    login = {name: values[0] for name, values in parse_qs(target.fragment).items()}
    claims = await verify(stand, id_token=login["id_token"], client_id="2000000001")
    assert (claims.status, claims.json["sub"], claims.json["aud"]) == (200, user, "2000000001")
    head = {"authorization": f"Bearer {login['access_token']}"}
    assert (await stand.call("GET", "/v2/profile", headers=head)).json["userId"] == user
    assert (await stand.call("GET", "/friendship/v1/status", headers=head)).json == {"friendFlag": True}
    token = await stand.call("GET", f"/oauth2/v2.1/verify?access_token={login['access_token']}")
    assert token.json["client_id"] == "2000000001"


async def test_liff_asks_who_opens_it_when_it_cannot_know(stand: Stand) -> None:
    (user,) = await stand.friends()
    answer = await stand.call("GET", "/liff/2000000001-cafeliff?s=a")
    assert answer.status == 200
    assert f"sim_user={user}" in answer.raw.decode()


async def test_its_pages_know_their_user_where_browsers_reach_it(tmp_path: Path) -> None:
    """As in a container: it listens on every address, and is reached at one."""
    file = tmp_path / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = SimulatorSettings(
        channels_file=file, host="0.0.0.0", port=port, public_url=url, webhook_base_url=url, log_level="WARNING"
    )
    async with running(settings), aiohttp.ClientSession(url) as session:
        async with session.post("/control/users", json={"count": 1}) as made:
            [user] = (await made.json())["user_ids"]
        page = {"url": f"{url}/liff/2000000001-cafeliff?s=poster"}
        async with session.post(f"/control/cafe/users/{user}/open", json=page) as opened:
            assert (await opened.json())["hops"][0]["status"] == 302


async def verify(stand: Stand, **form: str) -> Answer:
    return await stand.call("POST", "/oauth2/v2.1/verify", data=form)


WRONG_CLAIMS = [
    ({"iss": "https://evil.example"}, {}, "Invalid IdToken Issuer."),
    ({"exp": 1}, {}, "IdToken expired."),
    ({"aud": "1999999999"}, {}, "Invalid IdToken Audience."),
    ({}, {"nonce": "other"}, "Invalid IdToken Nonce."),
    ({}, {"user_id": "U" + "0" * 32}, "Invalid IdToken Subject Identifier."),
]


@pytest.mark.parametrize(("claims", "form", "error"), WRONG_CLAIMS)
async def test_a_wrong_id_token_is_refused_in_lines_words(
    stand: Stand, claims: dict[str, Any], form: dict[str, str], error: str
) -> None:
    (user,) = await stand.friends()
    login = await stand.act(user, "id_token", claims=claims or {"amr": ["pwd"]})
    answer = await verify(stand, id_token=login["id_token"], client_id="2000000001", **form)
    assert (answer.status, answer.json) == (400, {"error": "invalid_request", "error_description": error})


async def test_a_forged_id_token_is_refused(stand: Stand) -> None:
    (user,) = await stand.friends()
    token = (await stand.act(user, "id_token"))["id_token"]
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    for bad in (forged, "nonsense", ""):
        answer = await verify(stand, id_token=bad, client_id="2000000001")
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_channel_tokens_are_issued_work_and_end(stand: Stand) -> None:
    account = (await stand.control("GET", "/accounts"))["items"][0]
    form = {"grant_type": "client_credentials", "client_id": account["channel_id"], "client_secret": SECRET}
    issued = await stand.call("POST", "/oauth2/v3/token", data=form)
    assert issued.json["expires_in"] == 900
    assert (await stand.api("GET", "/v2/bot/info", token=issued.json["access_token"])).status == 200
    stand.clock.offset = 901
    assert (await stand.api("GET", "/v2/bot/info", token=issued.json["access_token"])).status == 401
    refused = await stand.call("POST", "/oauth2/v3/token", data=form | {"client_secret": "wrong"})
    assert (refused.status, refused.json["error"]) == (400, "invalid_client")


async def test_a_31st_short_lived_token_revokes_the_oldest(stand: Stand) -> None:
    account = (await stand.control("GET", "/accounts"))["items"][0]
    form = {"grant_type": "client_credentials", "client_id": account["channel_id"], "client_secret": SECRET}
    tokens = [(await stand.call("POST", "/v2/oauth/accessToken", data=form)).json["access_token"] for _ in range(31)]
    assert (await stand.api("GET", "/v2/bot/info", token=tokens[0])).status == 401
    assert (await stand.api("GET", "/v2/bot/info", token=tokens[1])).status == 200
    await stand.call("POST", "/v2/oauth/revoke", data={"access_token": tokens[1]})
    assert (await stand.api("GET", "/v2/bot/info", token=tokens[1])).status == 401


async def test_the_add_friend_screen_makes_a_friend_with_one_tap(stand: Stand) -> None:
    user = (await stand.control("POST", "/users", {"count": 1}))["user_ids"][0]
    public_id = (await stand.control("GET", "/accounts"))["items"][0]["basic_id"]
    cookies = {"cookie": f"sim_user={user}"}
    shown = await stand.call("GET", f"/R/ti/p/{public_id}", headers=cookies)
    assert (shown.status, b"Add friend" in shown.raw) == (200, True)
    assert b"is a friend" in (await stand.call("POST", f"/R/ti/p/{public_id}", headers=cookies)).raw
    await stand.call("POST", f"/R/ti/p/{public_id}", headers=cookies)
    await stand.dispatcher.quiet(5)
    assert [event["type"] for event in stand.receiver.events] == ["follow"]
    assert (await stand.call("GET", "/R/ti/p/@nobody", headers=cookies)).status == 404
