"""The marketer's side of the story: broadcast's API, and binding's tags."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from musubi.demo.http import Http
from shared.ids import ulid

AT_ONCE = 12
LANDING_PAGE = "https://coffee.example/members"


class Marketing:
    """Tags, audiences, campaigns."""

    def __init__(self, binding: Http, broadcast: Http) -> None:
        self._binding = binding
        self._broadcast = broadcast
        self._room = asyncio.Semaphore(AT_ONCE)

    async def tag(self, members: Sequence[str], tag: str) -> None:
        """Give members a tag."""

        async def one(member: str) -> None:
            async with self._room:
                await self._binding.put(f"/v1/members/{member}/tags/{tag}", {"origin": "story"})

        await asyncio.gather(*map(one, members))

    async def matched(self, slug: str, expression: dict[str, Any]) -> int:
        """Return how many people an expression matches now."""
        body = {"channel": slug, "expression": expression}
        return int((await self._broadcast.post("/v1/segments/preview", body))["count"])

    async def campaign(self, slug: str, name: str, expression: dict[str, Any], chunk_size: int) -> dict[str, Any]:
        """Write a campaign with a tracked link; nothing is sent."""
        body = {
            "channel": slug,
            "name": name,
            "expression": expression,
            "messages": [{"type": "text", "text": f"Autumn is here: {LANDING_PAGE}"}],
            "chunk_size": chunk_size,
        }
        made: dict[str, Any] = await self._broadcast.post("/v1/campaigns", body, key=ulid())
        return made

    async def check(self, campaign: str) -> dict[str, Any]:
        """Ask whether it can be sent, and to how many."""
        checked: dict[str, Any] = await self._broadcast.post(f"/v1/campaigns/{campaign}/check", {})
        return checked

    async def start(self, campaign: str) -> None:
        """Send it now."""
        await self._broadcast.post(f"/v1/campaigns/{campaign}/start", {}, key=ulid())

    async def progress(self, campaign: str) -> dict[str, Any]:
        """Return how far it is."""
        progress: dict[str, Any] = await self._broadcast.get(f"/v1/campaigns/{campaign}/progress")
        return progress
