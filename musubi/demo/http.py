"""Asking the stack's APIs: JSON in, JSON out, everything else an error in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from musubi.demo.errors import ChangedMeanwhile, StoryError

USER = re.compile(r"U[0-9a-f]{32}")
MOST_WORDS = 300


class Http:
    """An API at a base URL."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str | None = None) -> None:
        self._session = session
        self._base = base
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    async def get(self, path: str, **query: str | int) -> Any:
        """Read.

        Raises:
            StoryError: no answer, or none of 2xx.
        """
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Any, key: str | None = None) -> Any:
        """Do, under an Idempotency-Key where one is given; raises as `get`."""
        return await self._ask("POST", path, json=body, more_headers={"idempotency-key": key} if key else {})

    async def put(self, path: str, body: Any, version: int | None = None) -> Any:
        """Set, where a version is given only over that one; raises as `get`."""
        return await self._ask("PUT", path, json=body, more_headers=_if_match(version))

    async def patch(self, path: str, body: Any, version: int | None = None) -> Any:
        """Change, where a version is given only that one; raises as `get`."""
        return await self._ask("PATCH", path, json=body, more_headers=_if_match(version))

    async def delete(self, path: str) -> Any:
        """Remove; raises as `get`."""
        return await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, more_headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        url, headers = self._base + path, {**self._headers, **(more_headers or {})}
        try:
            async with self._session.request(method, url, headers=headers, **more) as answer:
                if answer.ok:
                    return await answer.json()
                words = f"answered {answer.status}: {await answer.text()}"
                if answer.status == HTTPStatus.PRECONDITION_FAILED:
                    raise ChangedMeanwhile(USER.sub("U…", f"{method} {url} {words}"[:MOST_WORDS]))
        except (aiohttp.ClientError, TimeoutError) as error:
            words = f"did not answer: {error.__class__.__name__}"
        raise StoryError(USER.sub("U…", f"{method} {url} {words}"[:MOST_WORDS]))


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}
