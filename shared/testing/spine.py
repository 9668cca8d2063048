"""The whole spine as people run it, for end-to-end tests: the supervised local stack on free ports, driven from
outside only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import yaml

from shared.flows import CONSUMES
from shared.ids import ulid
from shared.testing.waiting import eventually
from shared.testing.webhooks import signed_headers

if TYPE_CHECKING:
    from deploy.local.stack import Stack

QUIET_SECONDS = 60.0


@dataclass
class Spine:
    """Clients of everything a stack serves."""

    stack: Stack
    facts: dict[str, Any]
    http: httpx.AsyncClient

    @property
    def control(self) -> str:
        """The stand-in's switches."""
        return str(self.facts["line"]["control"])

    def api(self, service: str, replica: int = 0) -> str:
        """Base URL of a service's port."""
        addresses: dict[str, str] = self.facts["replicas"][service][replica]
        return addresses.get("api") or addresses["public"]

    def ops(self, service: str, replica: int = 0) -> str:
        """Base URL of a service's ops port."""
        return str(self.facts["replicas"][service][replica]["ops"])

    @property
    def key(self) -> dict[str, str]:
        """The admin's Authorization header."""
        return {"authorization": f"Bearer {Path(self.facts['admin_key_file']).read_text().strip()}"}

    @property
    def accounts(self) -> list[dict[str, Any]]:
        """The channels file: slugs, destinations, secrets of the stack under test."""
        entries: list[dict[str, Any]] = yaml.safe_load(Path(self.facts["channels_file"]).read_text())
        return entries

    async def admin(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        """Call a service's API as admin."""
        headers = self.key | dict(more.pop("headers", {}))
        return await self.http.request(method, self.api(service) + path, headers=headers, **more)

    async def ask(self, path: str, **params: Any) -> Any:
        """Read from the control API."""
        answer = await self.http.get(self.control + path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def tell(self, method: str, path: str, body: Any = None) -> Any:
        """Change something through the control API."""
        answer = await self.http.request(method, self.control + path, json=body if body is not None else {})
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def people(self, count: int) -> list[str]:
        """Make users nobody knows yet."""
        made = await self.tell("POST", "/users", {"count": count, "seed": ulid(), "start": 0})
        return list(made["user_ids"])

    async def act(self, slug: str, user: str, action: str, **params: Any) -> Any:
        """Let a user do something."""
        return await self.tell("POST", f"/{slug}/users/{user}/{action}", params)

    async def crowd(self, slug: str, users: Sequence[str], action: str, **params: Any) -> Any:
        """Let many users do something."""
        return await self.tell("POST", f"/{slug}/bulk", {"actions": [{"users": list(users), "do": action, **params}]})

    async def accepts(self, **narrow: Any) -> list[dict[str, Any]]:
        """Every accepted call, as LINE's side remembers it."""
        found: list[dict[str, Any]] = []
        since = 0
        while True:
            page = await self.ask("/accepts", since=since, limit=10_000, **narrow)
            found += page["items"]
            if page["next_since"] >= page["last_seq"]:
                return found
            since = page["next_since"]

    async def greetings(self, users: Sequence[str]) -> dict[str, int]:
        """How many messages (replies and pushes) LINE accepted for each of these users."""
        counts = dict.fromkeys(users, 0)
        for entry in await self.accepts():
            if entry["api"] in {"reply", "push"}:
                for user in entry["to"]:
                    if user in counts:
                        counts[user] += 1
        return counts

    async def member(self, slug: str, user: str) -> dict[str, Any] | None:
        """The member of a user, or None."""
        answer = await self.admin("GET", "binding", "/v1/members", params={"contact": f"{slug}:{user}"})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        return items[0] if items else None

    async def until_member(self, slug: str, user: str, **wanted: Any) -> dict[str, Any]:
        """Wait until a user's member reads as wanted."""

        async def there() -> dict[str, Any] | None:
            member = await self.member(slug, user)
            return member if member and all(member[name] == value for name, value in wanted.items()) else None

        found: dict[str, Any] = await eventually(there, seconds=QUIET_SECONDS)
        return found

    async def report(self, slug: str, name: str) -> dict[str, Any]:
        """A report of insights for today and around it."""
        answer = await self.admin("GET", "insights", f"/v1/insights/{slug}/{name}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def owns(self, server: str) -> bool:
        """Whether the stack started this server itself, and so may stop it."""
        return server in self.stack.supervisor.states()

    async def post(self, slug: str, events: Sequence[dict[str, Any]], replica: int = 0) -> httpx.Response:
        """Send a webhook straight to one ingest process, signed as LINE would."""
        account = next(entry for entry in self.accounts if entry["slug"] == slug)
        body = orjson.dumps({"destination": account["destination"], "events": list(events)})
        headers = signed_headers(body, account["channel_secret"])
        return await self.http.post(f"{self.api('ingest', replica)}/webhook/{slug}", content=body, headers=headers)

    async def until_idle(self) -> None:
        """Wait until LINE has delivered everything and every consumer has read everything."""
        from deploy.local.lag import consumer_lag

        async def idle() -> bool:
            if (await self.ask("/deliveries"))["pending"]:
                return False
            lags = await asyncio.to_thread(consumer_lag, self.facts["kafka"], tuple(CONSUMES))
            return all(lag.records == 0 for lag in lags)

        await eventually(idle, seconds=QUIET_SECONDS, every=0.3)

    def pid(self, process: str) -> int:
        """Process id of a supervised process such as `binding-1`."""
        pid = self.stack.supervisor.states()[process].pid
        assert pid is not None, f"{process} does not run"
        return pid

    def kill(self, process: str) -> None:
        """Kill -9; the supervisor starts it again."""
        os.kill(self.pid(process), signal.SIGKILL)

    async def until_ready(self, *services: str) -> None:
        """Wait until every replica of these services is ready."""
        for service in services:
            for replica in range(len(self.facts["replicas"][service])):
                await eventually(partial(self.is_ready, service, replica), seconds=60)

    async def is_ready(self, service: str, replica: int = 0) -> bool:
        """Whether a replica says that it is ready."""
        try:
            return (await self.http.get(f"{self.ops(service, replica)}/health/ready")).status_code == 200
        except httpx.HTTPError:
            return False


def read_facts(stack_file: Path) -> dict[str, Any]:
    """Read stack.json."""
    facts: dict[str, Any] = json.loads(stack_file.read_text())
    return facts
