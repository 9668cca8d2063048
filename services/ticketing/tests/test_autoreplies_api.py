"""Automatic answers by API: checked before they are stored, changed by version, effective within two seconds."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.ticketing.autoreplies.store import FRESH_SECONDS, MongoRules, RuleBook
from services.ticketing.tests.desk_rig import DeskRig
from shared.mongo import Database

pytestmark = pytest.mark.integration

HELLO = [{"type": "text", "text": "hello"}]
RULE: dict[str, Any] = {
    "keywords": ["Hi", "你好"],
    "audience": "bound",
    "when": "inside",
    "windows": [{"days": ["fri", "mon"], "from": "22:00", "to": "06:00"}],
    "messages": HELLO,
    "priority": 5,
}


@pytest.fixture
async def rig(database: Database) -> DeskRig:
    made = DeskRig(database)
    await made.prepare()
    return made


async def call(rig: DeskRig, method: str, path: str, key: str = "admin", **more: Any) -> httpx.Response:
    async with rig.staff(key) as staff:
        return await staff.request(method, f"/v1/auto-replies/{path}", **more)


async def test_a_rule_is_written_whole_shown_and_changed_by_version(rig: DeskRig) -> None:
    made = await call(rig, "PUT", "shop/hi", json=RULE)
    assert (made.status_code, made.headers["etag"]) == (200, '"1"')
    shown = (await call(rig, "GET", "shop/hi")).json()
    assert {name: shown[name] for name in RULE} == RULE | {
        "windows": [{"days": ["mon", "fri"], "from": "22:00", "to": "06:00"}]
    }
    assert (await call(rig, "PUT", "shop/hi", json=RULE)).status_code == 428
    changed = await call(rig, "PUT", "shop/hi", json=RULE | {"priority": 6}, headers={"if-match": '"1"'})
    assert (changed.json()["priority"], changed.json()["version"], changed.json()["updated_by"]) == (6, 2, "admin")
    assert (await call(rig, "PUT", "shop/hi", json=RULE, headers={"if-match": '"1"'})).status_code == 412
    assert (await call(rig, "DELETE", "shop/hi")).status_code == 428
    assert (await call(rig, "DELETE", "shop/hi", headers={"if-match": '"1"'})).status_code == 412
    assert (await call(rig, "DELETE", "shop/hi", headers={"if-match": '"2"'})).status_code == 204
    assert (await call(rig, "GET", "shop/hi")).status_code == 404
    assert (await call(rig, "PUT", "shop/hi", json=RULE, headers={"if-match": '"2"'})).status_code == 412


async def test_a_rule_may_start_a_flow_instead(rig: DeskRig) -> None:
    body = {"keywords": ["fix"], "action": {"start_flow": "repair"}}
    made = (await call(rig, "PUT", "shop/fix", json=body)).json()
    assert (made["action"], made["messages"]) == ({"start_flow": "repair"}, None)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"keywords": []}, "/body/keywords"),
        ({"keywords": ["  "]}, "/body/keywords/0"),
        ({"windows": []}, "/body"),
        ({"when": "always"}, "/body"),
        ({"action": {"start_flow": "repair"}}, "/body"),
        ({"messages": None}, "/body"),
        ({"windows": [{"days": [], "from": "09:00", "to": "18:00"}]}, "/body/windows/0/days"),
        ({"windows": [{"days": ["mon"], "from": "9:00", "to": "24:00"}]}, "/body/windows/0/from"),
        ({"messages": [{"type": "text", "text": ""}]}, "/messages/0/text"),
        ({"messages": HELLO * 6}, "/messages"),
        ({"odd": 1}, "/body/odd"),
    ],
)
async def test_a_wrong_rule_is_a_422_that_says_where(rig: DeskRig, change: dict[str, Any], pointer: str) -> None:
    answer = await call(rig, "PUT", "shop/hi", json=RULE | change)
    assert answer.status_code == 422
    assert pointer in [problem["pointer"] for problem in answer.json()["errors"]]
    assert (await call(rig, "GET", "shop")).json()["items"] == []


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("agent", "shop/hi", 403),
        ("elsewhere", "other/hi", 403),
        ("admin", "nowhere/hi", 404),
        ("admin", "shop/H!", 422),
    ],
)
async def test_rules_are_an_admin_s_of_accounts_there_are(rig: DeskRig, key: str, path: str, status: int) -> None:
    assert (await call(rig, "PUT", path, key, json=RULE)).status_code == status


async def test_rules_are_listed_by_name_page_by_page(rig: DeskRig) -> None:
    for name in ("c", "a", "b"):
        await call(rig, "PUT", f"shop/{name}", json=RULE)
    first = (await call(rig, "GET", "shop?limit=2")).json()
    second = (await call(rig, "GET", f"shop?cursor={first['next_cursor']}")).json()
    assert [item["name"] for item in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None


async def test_a_process_answers_from_its_copy_and_reads_again_in_time(rig: DeskRig) -> None:
    clock = [0.0]
    here, there = rig.book, RuleBook(MongoRules(rig.database), lambda: clock[0])
    assert (await here.of("shop")).listed == (await there.of("shop")).listed == ()
    await call(rig, "PUT", "shop/hi", json=RULE)
    assert (await here.of("shop")).listed == ("Hi", "你好")
    assert (await there.of("shop")).listed == ()
    clock[0] += FRESH_SECONDS
    assert (await there.of("shop")).listed == ("Hi", "你好")
