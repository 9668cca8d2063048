"""A user's browser: opens links, follows redirects, is known to LINE's own pages as that user."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from simulator.acting.actions import BadAction

MOST_HOPS = 10
MOST_BODY = 64 * 1024
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Line/15.0.0"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Browser:
    """Fetches pages for one user. Only loopback and named hosts are asked; others are told, not opened."""

    def __init__(self, own_base: str, hosts: set[str]) -> None:
        self._own = urlsplit(own_base).netloc
        self._hosts = _LOOPBACK | hosts
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=15),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": _PHONE, "accept-language": "zh-TW"},
        )

    async def stop(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def open(self, user_id: str, url: str, method: str = "GET", **body: Any) -> dict[str, Any]:
        """Open a URL and follow its redirects.

        Returns the hops (url, status), the last page's status, media type and text (at most 64 KB), and `external`: the
        address it would have gone to outside.
        """
        hops: list[dict[str, Any]] = []
        while len(hops) < MOST_HOPS:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or parts.hostname not in self._hosts:
                return {"hops": hops, "external": url}
            answer, text = await self._fetch(user_id, method, url, body)
            hops.append({"url": url, "status": answer.status})
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or target is None:
                kind = answer.content_type
                return {"hops": hops, "status": answer.status, "media_type": kind, "text": text, "url": url}
            url = urljoin(url, target)
            if answer.status in (301, 302, 303):
                method, body = "GET", {}
        raise BadAction(f"more than {MOST_HOPS} redirects")

    async def _fetch(
        self, user_id: str, method: str, url: str, body: dict[str, Any]
    ) -> tuple[aiohttp.ClientResponse, str]:
        if self._session is None:
            raise RuntimeError("the browser was not started")
        headers = {"cookie": f"sim_user={user_id}"} if urlsplit(url).netloc == self._own else {}
        try:
            async with self._session.request(
                method, url.partition("#")[0], headers=headers, allow_redirects=False, **body
            ) as answer:
                content = await answer.content.read(MOST_BODY)
                return answer, content.decode("utf-8", "replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BadAction(f"the page cannot be reached: {type(error).__name__}") from None
