"""LINE's side of the story: the stand-in's control API."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from musubi.demo.errors import StoryError
from musubi.demo.http import Http

Action = tuple[str, dict[str, Any]]
"""An account, and an action of the stand-in's bulk: `{"user": …, "do": …, …}`."""

PAGE = 10_000
ACTIONS_A_CALL = 200


class LineSide:
    """People, what they do, and what LINE accepted."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.accepts: list[dict[str, Any]] = []
        """Calls that LINE accepted since `begin`, as far as `look` has read them."""
        self._since = 0
        self._reading = asyncio.Lock()

    async def begin(self) -> None:
        """Look at accepted calls from now on."""
        self.accepts.clear()
        self._since = (await self._http.get("/accepts/summary"))["last_seq"]

    async def look(self) -> int:
        """Read on in the accept log; return the number of its newest entry.

        Raises:
            StoryError: the log began anew.
        """
        async with self._reading:
            while True:
                page = await self._http.get("/accepts", since=self._since, limit=PAGE)
                if page["last_seq"] < self._since:
                    raise StoryError("LINE's stand-in was restarted or reset during the story: play it again")
                self.accepts += page["items"]
                self._since = page["next_since"]
                if not page["items"] or self._since >= page["last_seq"]:
                    return self._since

    async def people(self, seed: str, count: int) -> list[str]:
        """Return the user ids of a seed's first people, made where they are not there."""
        ids: list[str] = (await self._http.post("/users", {"seed": seed, "start": 0, "count": count}))["user_ids"]
        return ids

    async def name(self, user: str, name: str) -> None:
        """Give a person a name."""
        await self._http.patch(f"/users/{user}", {"name": name})

    async def user(self, slug: str, user: str) -> dict[str, Any]:
        """Return how a user stands to an account, with the rich menu shown."""
        shown: dict[str, Any] = await self._http.get(f"/users/{slug}/{user}")
        return shown

    async def act(self, slug: str, user: str, action: str, **params: Any) -> str:
        """Let a user do something; return the id of its event."""
        done = await self._http.post(f"/{slug}/users/{user}/{action}", params)
        return str(done["events"][0]["webhook_event_id"])

    async def open(self, slug: str, user: str, url: str, post: dict[str, Any] | None = None) -> dict[str, Any]:
        """Open a page as the user's browser: hops, and the last page's status and address, or `external`."""
        visit = {"url": url} if post is None else {"url": url, "method": "POST", "json": post}
        page: dict[str, Any] = await self._http.post(f"/{slug}/users/{user}/open", visit)
        return page

    async def crowd(self, actions: Sequence[Action], together: int) -> list[dict[str, str]]:
        """Let many act, in order; return each action's event (user, type, id) in the order of the actions.

        Args:
            actions: one account's are done together.
            together: events in a webhook.

        Raises:
            StoryError: the stand-in refused an action.
        """
        events: list[dict[str, str]] = []
        for start in range(0, len(actions), ACTIONS_A_CALL):
            events += await self._bulk(actions[start : start + ACTIONS_A_CALL], together)
        return events

    async def _bulk(self, actions: Sequence[Action], together: int) -> list[dict[str, str]]:
        places: dict[str, list[int]] = defaultdict(list)
        for place, (slug, _) in enumerate(actions):
            places[slug].append(place)
        told: dict[int, dict[str, str]] = {}
        for slug, mine in places.items():
            body = {
                "actions": [actions[place][1] for place in mine],
                "events_per_webhook": together,
                "tell_events": True,
            }
            done = await self._http.post(f"/{slug}/bulk", body)
            if done["refused"] or len(done["items"]) != len(mine):
                raise StoryError(f"LINE's stand-in refused {done['refused']} of {len(mine)} actions at {slug}")
            told |= dict(zip(mine, done["items"], strict=True))
        return [told[place] for place in range(len(actions))]

    async def webhooks(self, wait: int = 0) -> dict[str, int]:
        """Return what became of webhooks; with `wait` once none is pending, or after so many seconds."""
        counts: dict[str, int] = await self._http.get("/deliveries", wait=wait)
        return counts

    async def chat(self, slug: str, user: str) -> list[dict[str, Any]]:
        """Return the messages that a user sees in the chat with an account, oldest first."""
        lines: list[dict[str, Any]] = (await self.user(slug, user))["chat"]
        return lines

    async def slow(self, api: str, millis: int) -> str:
        """Have LINE take its time for a kind of call; return the fault's id."""
        return str((await self._http.post("/faults", {"api": api, "kind": "slow", "delay_ms": millis}))["id"])

    async def end_fault(self, fault: str) -> None:
        """End a fault."""
        await self._http.delete(f"/faults/{fault}")

    async def trouble(self) -> dict[str, Any]:
        """Return what happens to webhooks on their way."""
        trouble: dict[str, Any] = (await self._http.get("/faults"))["webhooks"]
        return trouble

    async def set_trouble(self, trouble: dict[str, Any]) -> None:
        """Set what happens to webhooks on their way."""
        await self._http.put("/faults/webhooks", trouble)
