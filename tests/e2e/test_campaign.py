"""A campaign from draft to the last click, on the whole stack; its sender killed on the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"
PAGE = "https://coffee.example/autumn"
FRIENDS = 24
_LINK = re.compile(r"https?://\S+/r/\S+")


@pytest.fixture
async def stack(spine: Spine) -> AsyncIterator[Spine]:
    await spine.until_ready("broadcast")
    yield spine
    await spine.until_ready("broadcast")


async def campaigns(spine: Spine, method: str, path: str = "", **more: Any) -> Any:
    headers = {"idempotency-key": ulid()} | dict(more.pop("headers", {}))
    answer = await spine.admin(method, "broadcast", f"/v1/campaigns{path}", headers=headers, **more)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def friends(spine: Spine, count: int) -> list[str]:
    """People who follow, as broadcast knows them too."""
    users = await spine.people(count)
    await spine.crowd(COFFEE, users, "follow")

    async def known() -> bool:
        body = {"channel": COFFEE, "expression": {"all": [{"field": "following", "is": True}, among(users)]}}
        answer = await spine.admin("POST", "broadcast", "/v1/segments/preview", json=body)
        return answer.status_code == 200 and answer.json()["count"] == count

    await eventually(known, seconds=60, every=0.2)
    return users


def among(users: list[str]) -> dict[str, Any]:
    return {"field": "contact", "in": [f"{COFFEE}:{user}" for user in users]}


async def draft(spine: Spine, users: list[str], **more: Any) -> str:
    body = {
        "channel": COFFEE,
        "name": "Autumn",
        "messages": [{"type": "text", "text": f"Autumn is here: {PAGE}"}],
        "expression": among(users),
    }
    return str((await campaigns(spine, "POST", json=body | more))["id"])


async def until_finished(spine: Spine, campaign: str) -> dict[str, Any]:
    async def finished() -> dict[str, Any] | None:
        try:
            progress: dict[str, Any] = await campaigns(spine, "GET", f"/{campaign}/progress")
        except httpx.HTTPError:
            return None
        return progress if progress["state"] == "finished" else None

    found: dict[str, Any] = await eventually(finished, seconds=60, every=0.1)
    return found


async def received(spine: Spine, users: list[str]) -> Counter[str]:
    """In how many accepted multicasts each of these users is."""
    accepts = await spine.accepts(api="multicast")
    return Counter(user for entry in accepts for user in entry["to"] if user in set(users))


async def test_a_campaign_reaches_every_friend_once_and_its_clicks_and_blocks_count(stack: Spine) -> None:
    users = await friends(stack, 6)
    await stack.act(COFFEE, users[5], "block")
    await stack.until_idle()
    campaign = await draft(stack, users)

    async def seen() -> bool:
        audience = (await campaigns(stack, "POST", f"/{campaign}/check"))["audience"]
        return bool(audience["skipped"] == {"blocked": 1} and audience["recipients"] == 5)

    await eventually(seen, seconds=30, every=0.2)
    await campaigns(stack, "POST", f"/{campaign}/start", json={})
    progress = await until_finished(stack, campaign)
    assert (progress["accepted"], progress["skipped"]) == (5, {"blocked": 1})
    assert await received(stack, users) == Counter(users[:5])

    blocked = await campaigns(stack, "GET", f"/{campaign}/recipients/{COFFEE}:{users[5]}")
    assert (blocked["outcome"], blocked["reason"]) == ("skipped", "blocked")
    for user in users[:2]:
        chat = (await stack.ask(f"/users/{COFFEE}/{user}"))["chat"]
        [link] = _LINK.findall(str([line.get("message", {}).get("text") for line in chat]))
        page = await stack.act(COFFEE, user, "open", url=link.rstrip("']"))
        assert page["external"] == PAGE
    await stack.act(COFFEE, users[2], "block")

    async def counted() -> bool:
        clicks = (await stack.report(COFFEE, "clicks"))["totals"]["links"]
        now = await campaigns(stack, "GET", f"/{campaign}/progress")
        return {each["link"]: each["clicks"] for each in clicks}.get(f"{campaign}.1") == 2 and now["blocked"] == 1

    await eventually(counted, seconds=60, every=0.2)


async def test_a_campaign_whose_sender_is_killed_reaches_everyone_once(stack: Spine) -> None:
    users = await friends(stack, FRIENDS)
    await stack.tell("POST", "/faults", {"kind": "slow", "api": "multicast", "delay_ms": 150})
    campaign = await draft(stack, users, chunk_size=2)
    await campaigns(stack, "POST", f"/{campaign}/start", json={})

    async def begun() -> bool:
        return bool(await received(stack, users))

    await eventually(begun, seconds=30, every=0.02)
    for process in ("broadcast-1", "broadcast-2"):
        stack.kill(process)
    progress = await until_finished(stack, campaign)
    assert (progress["accepted"], progress["unknown"]) == (FRIENDS, 0)
    assert await received(stack, users) == Counter(users)
    outcomes = (await campaigns(stack, "GET", f"/{campaign}/recipients", params={"limit": 100}))["items"]
    assert {item["contact"].partition(":")[2] for item in outcomes} == set(users)
    assert {item["outcome"] for item in outcomes} == {"accepted"}
