"""Segments follow what people do and what staff say of them, on the whole stack."""

from __future__ import annotations

from typing import Any

import pytest

from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"
BROWSER = {"user-agent": "Mozilla/5.0 (iPhone) Line/14.0"}


async def segment(spine: Spine, expression: Any) -> str:
    body = {"channel": COFFEE, "name": "e2e", "expression": expression}
    made = await spine.admin("POST", "broadcast", "/v1/segments", json=body, headers={"idempotency-key": ulid()})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def preview(spine: Spine, segment_id: str) -> dict[str, Any]:
    answer = await spine.admin("GET", "broadcast", f"/v1/segments/{segment_id}/preview")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until(spine: Spine, segment_id: str, count: int, reachable: int) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        found = await preview(spine, segment_id)
        return found if (found["count"], found["reachable"]) == (count, reachable) else None

    found: dict[str, Any] = await eventually(there, seconds=60, every=0.1)
    return found


def among(users: list[str], *conditions: Any) -> dict[str, Any]:
    return {"all": [{"field": "contact", "in": [f"{COFFEE}:{user}" for user in users]}, *conditions]}


async def test_follow_bind_tag_and_block_move_people_through_segments(spine: Spine) -> None:
    friend, customer, writer = users = await spine.people(3)
    await spine.act(COFFEE, friend, "add")
    await spine.act(COFFEE, customer, "add")
    await spine.act(COFFEE, writer, "text", text="hello")
    everyone = await segment(spine, among(users))
    bound = await segment(spine, among(users, {"field": "bound", "is": True}))
    vip = await segment(spine, {"all": [{"field": "segment", "is": bound}, {"field": "tags", "has": "VIP"}]})
    others = await segment(spine, among(users, {"not": {"field": "segment", "is": vip}}))
    await until(spine, everyone, 3, 2)
    member = await spine.until_member(COFFEE, customer)
    path = f"/v1/members/{member['id']}"
    key = await spine.admin("PUT", "binding", f"{path}/keys/customer", json={"value": f"seg-{customer[:8]}"})
    assert key.status_code == 200, key.text
    await until(spine, bound, 1, 1)
    assert (await preview(spine, vip))["count"] == 0
    tagged = await spine.admin("PUT", "binding", f"{path}/tags/vip")
    assert tagged.status_code < 300, tagged.text
    found = await until(spine, vip, 1, 1)
    assert found["sample"] == [{"member": member["id"], "contact": f"{COFFEE}:{customer}", "reachable": True}]
    await until(spine, others, 2, 1)
    await spine.act(COFFEE, customer, "block")
    await until(spine, vip, 1, 0)
    await spine.admin("DELETE", "binding", path)
    await until(spine, everyone, 2, 1)


async def test_a_named_click_tells_who_clicked_from_who_did_not(spine: Spine) -> None:
    clicker, other = users = await spine.people(2)
    for user in users:
        await spine.act(COFFEE, user, "add")
    member = await spine.until_member(COFFEE, clicker)
    link = f"lnk_{ulid()}"
    body = {"channel": COFFEE, "url": "https://coffee.example/menu", "link": link, "member": member["id"]}
    made = await spine.admin("POST", "binding", "/v1/links/clicks", json=body)
    assert made.status_code == 201, made.text
    clicked = await segment(spine, among(users, {"field": "clicked", "link": link}))
    silent = await segment(spine, among(users, {"not": {"field": "clicked", "link": link}}))
    await until(spine, silent, 2, 2)
    answer = await spine.http.get(made.json()["url"], headers=BROWSER, follow_redirects=False)
    assert answer.status_code == 302
    assert (await until(spine, clicked, 1, 1))["sample"][0]["member"] == member["id"]
    assert (await until(spine, silent, 1, 1))["sample"][0]["contact"] == f"{COFFEE}:{other}"
