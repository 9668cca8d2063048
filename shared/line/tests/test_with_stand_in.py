"""The client against LINE's stand-in, which is as strict as LINE: what people see, and how often."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from shared.channels import load_channels
from shared.line import builders
from shared.line.client import LineClient
from shared.line.content import Downloaded, Unsent
from shared.line.login import InvalidIdToken, VerifiedUser
from shared.line.messages import check_messages
from shared.line.narrowcasts import NarrowcastProgress
from shared.line.outcomes import (
    Accepted,
    Busy,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Unauthorised,
    Unknown,
)
from shared.line.prepared import PreparedCall, prepare_broadcast, prepare_multicast, prepare_narrowcast, prepare_push
from shared.line.tests.samples import GOOD
from shared.line.transport import Patience
from shared.line.users import FollowersPage, LinkToken, Profile
from shared.settings import LineSettings
from simulator.server import running
from simulator.settings import SimulatorSettings

HELLO = [{"type": "text", "text": "你好 🍎"}]
SWIFT = Patience(attempts=3, within=20.0, attempt=5.0, connect=5.0, backoff=0.01, most_backoff=0.05)
HASTY = replace(SWIFT, attempt=0.4)
USER = "U" + "a" * 32
PREPARED = [
    prepare_push("cafe", USER, HELLO, sent_id="a"),
    prepare_multicast("cafe", [USER], HELLO, sent_id="a"),
    prepare_narrowcast("cafe", HELLO, sent_id="a"),
    prepare_broadcast("cafe", HELLO, sent_id="a"),
]
CHANNELS = """
- slug: cafe
  name: Café
  destination: Uc5f96e75c454fa23d827923c76e6b5d1
  basic_id: "@cafe"
  channel_secret: 0123456789abcdef0123456789abcdef
  access_token: token-cafe
  login_channel_id: "2000000001"
  timezone: Asia/Taipei
  language: zh-TW
"""


class StandIn:
    """A running stand-in, the client that calls it, and the account's webhooks."""

    def __init__(self, url: str, line: LineClient, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.line = line
        self.session = session
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, f"{self.url}/control{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def friend(self, name: str = "小美") -> str:
        await self.control("POST", "/users", {"name": name, "user_id": USER})
        await self.act(USER, "follow")
        await self.event("follow")
        return USER

    async def act(self, user_id: str, action: str, **more: Any) -> Any:
        return await self.control("POST", f"/cafe/users/{user_id}/{action}", more)

    async def event(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while (event := await self.events.get())["type"] != kind:
                pass
        return event

    async def fault(self, kind: str, api: str = "*", **more: Any) -> None:
        await self.control("POST", "/faults", {"kind": kind, "api": api, **more})

    async def seen(self, user_id: str) -> list[str]:
        """Return the texts the account sent that a user sees."""
        chat = (await self.control("GET", f"/users/cafe/{user_id}"))["chat"]
        return [line["message"]["text"] for line in chat if line["from"] == "bot"]

    async def accepted(self, api: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.control("GET", f"/accepts?api={api}"))["items"]
        return items


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[StandIn]:
    file = tmp_path / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    events: list[asyncio.Queue[dict[str, Any]]] = []

    async def webhook(request: web.Request) -> web.Response:
        for event in orjson.loads(await request.read())["events"]:
            events[0].put_nowait(event)
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhook/{slug}", webhook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = SimulatorSettings(channels_file=file, port=0, webhook_base_url=receiver, log_level="WARNING")
    async with running(settings) as (url, _), aiohttp.ClientSession() as session:
        where = LineSettings(line_api_url=url, line_data_url=url)
        async with LineClient(where, load_channels(file), CollectorRegistry(), patience=SWIFT) as line:
            stand = StandIn(url, line, session)
            events.append(stand.events)
            yield stand
    await runner.cleanup()


async def test_a_push_reaches_its_friend_once(stand: StandIn) -> None:
    user = await stand.friend()
    first = await stand.line.sending.push("cafe", user, HELLO, sent_id="a", unit="cmp_1")
    again = await stand.line.sending.push("cafe", user, HELLO, sent_id="a", unit="cmp_1")
    assert isinstance(first, Accepted)
    assert (len(first.sent_messages), first.duplicate) == (1, False)
    assert again == Accepted(first.request_id, first.sent_messages, duplicate=True)
    assert await stand.seen(user) == ["你好 🍎"]


@pytest.mark.parametrize("kind", ["accept_then_timeout", "accept_then_reset"])
@pytest.mark.parametrize("prepared", PREPARED, ids=[each.api for each in PREPARED])
async def test_an_accepted_send_without_answer_is_found_accepted(
    stand: StandIn, prepared: PreparedCall, kind: str
) -> None:
    await stand.friend()
    await stand.fault(kind, prepared.api, count=1, delay_ms=600)
    outcome = await stand.line.sending.send(prepared, patience=HASTY)
    (accepted,) = await stand.accepted(prepared.api)
    assert isinstance(outcome, Accepted)
    assert (outcome.duplicate, outcome.request_id) == (True, accepted["request_id"])


async def test_a_reply_answers_once_and_a_used_token_is_recognised(stand: StandIn) -> None:
    user = await stand.friend()
    await stand.act(user, "text", text="hi")
    token = (await stand.event("message"))["replyToken"]
    received = datetime.now(UTC)
    assert isinstance(await stand.line.sending.reply("cafe", token, HELLO, received_at=received), Accepted)
    refused = await stand.line.sending.reply("cafe", token, HELLO, received_at=received)
    assert isinstance(refused, Rejected)
    assert refused.invalid_reply_token
    assert await stand.seen(user) == ["你好 🍎"]


@pytest.mark.parametrize("kind", ["accept_then_timeout", "accept_then_reset"])
async def test_a_delivered_reply_without_answer_is_found_delivered(stand: StandIn, kind: str) -> None:
    user = await stand.friend()
    await stand.act(user, "text", text="hi")
    token = (await stand.event("message"))["replyToken"]
    await stand.fault(kind, "reply", count=1, delay_ms=600)
    reply = stand.line.sending.reply
    outcome = await reply("cafe", token, HELLO, received_at=datetime.now(UTC), patience=HASTY)
    assert outcome == Accepted(duplicate=True)
    assert await stand.seen(user) == ["你好 🍎"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("429_rate", RateLimited),
        ("429_quota", QuotaExhausted),
        ("429_concurrent", Busy),
        ("429_same_user", Busy),
        ("500", Unknown),
        ("503", Unknown),
        ("401", Unauthorised),
        ("400", Rejected),
    ],
)
async def test_each_fault_has_its_outcome_and_sends_nothing(stand: StandIn, kind: str, expected: type) -> None:
    user = await stand.friend()
    await stand.fault(kind, "push")
    assert isinstance(await stand.line.sending.push("cafe", user, HELLO, sent_id="a"), expected)
    assert await stand.seen(user) == []


async def test_malformed_success_is_success_and_not_sent_again(stand: StandIn) -> None:
    user = await stand.friend()
    await stand.fault("malformed_2xx", "multicast")
    for number in range(8):
        outcome = await stand.line.sending.multicast("cafe", [user], HELLO, sent_id=f"a{number}")
        assert isinstance(outcome, Accepted)
    assert len(await stand.accepted("multicast")) == 8


async def test_a_revoked_token_and_a_spent_quota_are_told(stand: StandIn) -> None:
    user = await stand.friend()
    await stand.control("PUT", "/cafe/quota", {"type": "limited", "value": 1, "used": 1})
    assert isinstance(await stand.line.sending.push("cafe", user, HELLO, sent_id="a"), QuotaExhausted)
    await stand.control("POST", "/cafe/token/revoke", {})
    assert isinstance(await stand.line.sending.push("cafe", user, HELLO, sent_id="a"), Unauthorised)
    assert isinstance(await stand.line.account.bot_info("cafe"), Unauthorised)


async def test_what_the_checks_pass_the_stand_in_takes(stand: StandIn) -> None:
    for message in GOOD:
        assert check_messages([message]) == []
        assert isinstance(await stand.line.sending.validate("cafe", "push", [message]), Accepted), message


async def test_people_are_read(stand: StandIn) -> None:
    user = await stand.friend("阿明")
    profile = await stand.line.users.profile("cafe", user)
    assert isinstance(profile, Profile)
    assert (profile.user_id, profile.display_name) == (user, "阿明")
    assert await stand.line.users.followers("cafe") == FollowersPage((user,))
    assert isinstance(await stand.line.users.issue_link_token("cafe", user), LinkToken)
    await stand.act(user, "block")
    assert await stand.line.users.profile("cafe", user) is None


async def test_the_account_is_read(stand: StandIn) -> None:
    user = await stand.friend()
    await stand.control("PUT", "/cafe/quota", {"type": "limited", "value": 500})
    await stand.line.sending.push("cafe", user, HELLO, sent_id="a", unit="cmp_1")
    quota = await stand.line.account.quota("cafe")
    assert (getattr(quota, "limit", None), await stand.line.account.quota_consumption("cafe")) == (500, 1)
    assert await stand.line.account.aggregation_units("cafe") == 1
    info = await stand.line.account.bot_info("cafe")
    assert getattr(info, "user_id", None) == "Uc5f96e75c454fa23d827923c76e6b5d1"


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (width + 1) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def test_a_menu_lives_from_its_making_to_its_end(stand: StandIn) -> None:
    user, menus = await stand.friend(), stand.line.menus
    area = builders.area(0, 0, 1250, 843, builders.postback("Card", "a=card.show"))
    made = await menus.create("cafe", builders.rich_menu("main", "選單", (2500, 843), [area]))
    assert isinstance(made, str)
    for outcome in (
        await menus.upload_image("cafe", made, _png(2500, 843)),
        await menus.link("cafe", user, made),
        await menus.create_alias("cafe", "main", made),
        await menus.update_alias("cafe", "main", made),
        await menus.set_default("cafe", made),
    ):
        assert isinstance(outcome, Accepted)
    assert (await menus.of_user("cafe", user), await menus.default("cafe")) == (made, made)
    assert isinstance(await menus.unlink("cafe", user), Accepted)
    assert await menus.of_user("cafe", user) is None
    assert isinstance(await menus.bulk_link("cafe", [user], made), Accepted)
    assert isinstance(await menus.bulk_unlink("cafe", [user]), Accepted)
    for outcome in (
        await menus.clear_default("cafe"),
        await menus.delete_alias("cafe", "main"),
        await menus.delete("cafe", made),
    ):
        assert isinstance(outcome, Accepted)
    assert await menus.default("cafe") is None


async def test_a_photo_is_fetched_until_its_user_takes_it_back(stand: StandIn) -> None:
    user = await stand.friend()
    await stand.act(user, "image")
    message_id = (await stand.event("message"))["message"]["id"]
    pieces: list[bytes] = []

    async def keep(piece: bytes) -> None:
        pieces.append(piece)

    outcome = await stand.line.content.fetch("cafe", message_id, keep, most_bytes=10_000_000)
    assert isinstance(outcome, Downloaded)
    assert outcome.size == len(b"".join(pieces)) > 0
    assert outcome.content_type.startswith("image/")
    await stand.act(user, "unsend", message_id=message_id)
    assert await stand.line.content.fetch("cafe", message_id, keep, most_bytes=10) == Unsent()


async def test_an_id_token_is_verified(stand: StandIn) -> None:
    user = await stand.friend("小美")
    token = (await stand.control("POST", f"/cafe/users/{user}/id_token", {}))["id_token"]
    verified = await stand.line.login.verify_id_token("cafe", token)
    assert isinstance(verified, VerifiedUser)
    assert verified.user_id == user
    forged = await stand.line.login.verify_id_token("cafe", token[:-4] + "AAAA")
    assert forged == InvalidIdToken("Invalid IdToken.")


async def test_a_narrowcast_is_followed_to_its_end(stand: StandIn) -> None:
    await stand.friend()
    sent = await stand.line.sending.narrowcast("cafe", HELLO, sent_id="a")
    assert isinstance(sent, Accepted)
    assert sent.request_id is not None
    async with asyncio.timeout(5):
        while True:
            progress = await stand.line.narrowcasts.progress("cafe", sent.request_id)
            assert isinstance(progress, NarrowcastProgress)
            if progress.phase in ("succeeded", "failed"):
                break
            await asyncio.sleep(0.05)
    assert progress.phase == "succeeded"
