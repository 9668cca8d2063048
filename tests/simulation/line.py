"""LINE's side: retry keys, reply tokens, its bad answers, and the log of what it accepted; and the session to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import orjson

from tests.simulation.loop import Process
from tests.simulation.world import World

TOKEN_LIFE = 60.0


class Response:
    """An answer of LINE, as aiohttp shows it."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._body = orjson.dumps(body)

    async def read(self) -> bytes:
        """Return the body."""
        return self._body

    async def __aenter__(self) -> Response:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class Accepted(NamedTuple):
    """What LINE delivered."""

    api: str
    text: str
    key: str


class Line:
    """LINE itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.accepted: list[Accepted] = []
        self.tokens: dict[str, float] = {}
        """Reply tokens that are not used, and when they were given out."""
        self._given: set[str] = set()
        self._keys: set[str] = set()
        self.token_refused = False

    def give(self, token: str) -> None:
        """Give a reply token out with an event; redelivered, the event carries the same one."""
        if token not in self._given:
            self._given.add(token)
            self.tokens[token] = self._world.now

    def take(self, api: str, key: str, body: Mapping[str, Any]) -> Response:
        """Answer a call."""
        world = self._world
        text = body["messages"][0]["text"]
        if self.token_refused:
            world.counts["line 401"] += 1
            return Response(401, {"message": "Authentication failed"}, {})
        share = world.trouble.get("line", 0.0)
        bad = world.rng.choice((500, 429)) if share and world.rng.random() < share else None
        if bad == 429:
            world.counts["line 429"] += 1
            return Response(429, {"message": "The API rate limit has been exceeded. Try again later."}, {})
        if bad == 500 and world.rng.random() < 0.5:
            world.counts["line 500"] += 1
            return Response(500, {}, {})
        refusal = self._refusal(api, key, body)
        if refusal is not None:
            return refusal
        self.accepted.append(Accepted(api, text, key))
        world.note("LINE accepted", api, text)
        if bad is not None:
            world.counts["line 500 after accept"] += 1
            return Response(500, {}, {})
        return Response(200, {"sentMessages": []}, {"x-line-request-id": f"req{len(self.accepted)}"})

    def _refusal(self, api: str, key: str, body: Mapping[str, Any]) -> Response | None:
        if api == "reply":
            given = self.tokens.pop(body["replyToken"], None)
            if given is None or self._world.now - given > TOKEN_LIFE:
                self._world.counts["line reply token refused"] += 1
                return Response(400, {"message": "Invalid reply token"}, {})
            return None
        if key in self._keys:
            self._world.counts["line 409"] += 1
            return Response(409, {"message": "already accepted"}, {"x-line-accepted-request-id": "req"})
        self._keys.add(key)
        return None


class Session:
    """A process's HTTP session to LINE."""

    def __init__(self, world: World, process: Process, line: Line) -> None:
        self._world, self._process, self._line = world, process, line

    async def request(self, method: str, url: Any, *, data: bytes, headers: Mapping[str, str], **rest: Any) -> Response:
        """Call LINE.

        Raises:
            aiohttp.ClientError, TimeoutError: no answer came.
        """
        api, key, body = url.path.rpartition("/")[2], headers.get("x-line-retry-key", ""), orjson.loads(data)
        timeout: aiohttp.ClientTimeout = rest["timeout"]
        async with asyncio.timeout(timeout.total):
            answer: Response = await self._world.call(
                self._process,
                "line",
                f"line.{api}",
                lambda: self._line.take(api, key, body),
                lambda: aiohttp.ServerDisconnectedError(),
            )
        return answer
