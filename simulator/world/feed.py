"""Live news of a chat for the phone pages that have it open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

_WAITING = 500


class Feed:
    """Hands each news item to the subscribers of its chat; costs nothing for a chat nobody watches."""

    def __init__(self) -> None:
        self._watchers: dict[tuple[str, str], set[asyncio.Queue[dict[str, Any]]]] = {}

    def tell(self, slug: str, chat_id: str, news: dict[str, Any]) -> None:
        """Tell those who watch this chat; a watcher that does not read loses the oldest news."""
        for queue in self._watchers.get((slug, chat_id), ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(news)

    @asynccontextmanager
    async def watch(self, slug: str, chat_id: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
        """Subscribe to a chat while the block runs."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_WAITING)
        watchers = self._watchers.setdefault((slug, chat_id), set())
        watchers.add(queue)
        try:
            yield queue
        finally:
            watchers.discard(queue)
            if not watchers:
                self._watchers.pop((slug, chat_id), None)
