"""Handles on a running stand-in, somebody who receives its webhooks, and a clock that can be moved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from simulator.webhooks.delivery import Dispatcher
from simulator.world.world import World

TOKEN = "token-cafe"
SECRET = "0123456789abcdef0123456789abcdef"
BOUND = "richmenu-" + "1" * 32
UNBOUND = "richmenu-" + "2" * 32
CHANNELS = f"""
- slug: cafe
  name: Musubi Coffee
  destination: Uc5f96e75c454fa23d827923c76e6b5d1
  basic_id: "@musubi-cafe"
  channel_secret: {SECRET}
  access_token: {TOKEN}
  login_channel_id: "2000000001"
  liff_id: 2000000001-cafeliff
  timezone: Asia/Taipei
  language: zh-TW
  rich_menus: {{bound: {BOUND}, unbound: {UNBOUND}}}
- slug: repair
  name: Musubi Repair
  destination: Ud5f96e75c454fa23d827923c76e6b5d2
  basic_id: "@musubi-repair"
  channel_secret: 8c570fa6dd201bb328f1c1eac23a96d8
  access_token: token-repair
  timezone: Asia/Taipei
  language: zh-TW
"""


class Clock:
    """The real time plus what a test adds to it."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        """Return UNIX seconds."""
        return time.time() + self.offset


class Answer:
    """What a call was answered."""

    def __init__(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.raw)


class Receiver:
    """The account's own server: keeps every webhook and answers as told."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget what was received; answer 200 at once."""
        self.webhooks: list[tuple[str, bytes]] = []
        self.statuses: list[int] = []
        self.delay = 0.0
        self.html = ""

    async def take(self, request: web.Request) -> web.Response:
        """Take one webhook."""
        self.webhooks.append((request.headers["x-line-signature"], await request.read()))
        await asyncio.sleep(self.delay)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def page(self, request: web.Request) -> web.Response:
        """Answer any page with `html`, or with its own address."""
        if self.html:
            return web.Response(text=self.html, content_type="text/html")
        return web.Response(text=f"page {request.path_qs}", content_type="text/plain")

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event received, in order of arrival."""
        return [event for _, body in self.webhooks for event in orjson.loads(body)["events"]]


class Stand:
    """The stand-in and handles on it."""

    def __init__(self, url: str, world: World, dispatcher: Dispatcher, receiver: Receiver, clock: Clock) -> None:
        self.url = url
        self.world = world
        self.dispatcher = dispatcher
        self.receiver = receiver
        self.clock = clock
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        """Call any address of the stand-in."""
        async with self.session.request(method, self.url + path, allow_redirects=False, **options) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, headers, await answer.read())

    async def api(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, token: str = TOKEN
    ) -> Answer:
        """Call LINE's API as the account."""
        options: dict[str, Any] = {} if body is None else {"json": body}
        sent = {"authorization": f"Bearer {token}", **(headers or {})}
        return await self.call(method, path, headers=sent, **options)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control API and return its JSON."""
        answer = (
            await self.call(method, f"/control{path}", json=body)
            if body is not None
            else await self.call(method, f"/control{path}")
        )
        assert answer.status == 200, answer.raw
        return answer.json

    async def friends(self, count: int = 1) -> list[str]:
        """Make people who are friends of the café; returns their ids."""
        made = await self.control("POST", "/users", {"count": count})
        await self.control("POST", "/cafe/bulk", {"actions": [{"do": "follow", "users": made["user_ids"]}]})
        ids: list[str] = made["user_ids"]
        return ids

    async def act(self, user: str, action: str, **params: Any) -> Any:
        """Let a user do something to the café."""
        return await self.control("POST", f"/cafe/users/{user}/{action}", params)

    async def push(self, to: str, *messages: Any, key: str | None = None) -> Answer:
        """Push messages, or one text."""
        body = {"to": to, "messages": list(messages) or [{"type": "text", "text": "hello"}]}
        headers = {"x-line-retry-key": key} if key else None
        return await self.api("POST", "/v2/bot/message/push", body, headers)

    async def chat(self, user: str) -> list[dict[str, Any]]:
        """Return the chat of a user with the café."""
        lines: list[dict[str, Any]] = (await self.control("GET", f"/users/cafe/{user}"))["chat"]
        return lines

    async def until(self, met: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(seconds):
            while not met():  # noqa: ASYNC110 (any condition, of any part)
                await asyncio.sleep(0.01)

    async def renew(self) -> None:
        """Bring everything back to the first day."""
        self.clock.offset = 0.0
        await self.control("POST", "/reset", {})
        await self.control("PUT", "/deliveries/redelivery", {"enabled": True, "schedule": [0.05, 0.05, 0.05]})
        await self.control("PUT", "/limits", {"factor": 1})
        await self.control("POST", "/cafe/token/restore", {})
        await self.dispatcher.quiet(5)
        self.receiver.clear()

    async def event(self, kind: str) -> dict[str, Any]:
        """Wait for the first event of a kind and return it."""
        await self.until(lambda: any(event["type"] == kind for event in self.receiver.events))
        return next(event for event in self.receiver.events if event["type"] == kind)
