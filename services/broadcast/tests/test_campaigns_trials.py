"""Test sends of campaigns by API: to a few people, once, told as they ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.broadcast.tests.campaign_rig import CHANNEL, LINK_KEYS, Rig, contact, rig_on
from shared.clock import utcnow
from shared.ids import ulid
from shared.mongo import Database

pytestmark = pytest.mark.integration


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


async def test_a_test_is_pushed_once_to_each_and_its_clicks_are_not_the_campaign_s(rig: Rig) -> None:
    users = (await rig.control("POST", "/users", {"count": 2, "seed": ulid(), "start": 0}))["user_ids"]
    for user in users:
        await rig.control("POST", f"/{CHANNEL}/users/{user}/follow", {})
    campaign = await rig.draft()
    body = {"contacts": [f"{CHANNEL}:{user}" for user in users]}
    headers = {"idempotency-key": "test"}
    answer = await rig.ask("POST", f"/{campaign['id']}/test-send", json=body, headers=headers)
    again = await rig.ask("POST", f"/{campaign['id']}/test-send", json=body, headers=headers)
    assert answer.status_code == again.status_code == 200, answer.text
    assert answer.json() == again.json()
    assert [each["state"] for each in answer.json()["contacts"]] == ["push", "push"]
    pushes = (await rig.control("GET", "/accepts?api=push"))["items"]
    assert sorted(user for push in pushes for user in push["to"]) == sorted(users)
    chat = (await rig.control("GET", f"/users/{CHANNEL}/{users[0]}"))["chat"]
    token = str(chat).partition("/r/")[2].partition("'")[0]
    assert LINK_KEYS.read_click(token, utcnow()).link.startswith("tst_")
    shown = await rig.ask("GET", f"/{campaign['id']}/test-send/{answer.json()['id']}", "viewer")
    assert shown.json() == answer.json()
    sent = [record for record in rig.broker.records if b"campaign_test" in (record.value or b"")]
    assert len(sent) == 2
    other = await rig.ask(
        "POST", f"/{campaign['id']}/test-send", json={"contacts": body["contacts"][:1]}, headers=headers
    )
    assert other.status_code == 422


async def test_a_test_that_line_takes_for_unknown_or_refuses_is_told(rig: Rig) -> None:
    user = (await rig.control("POST", "/users", {"count": 1, "seed": ulid(), "start": 0}))["user_ids"][0]
    campaign = await rig.draft()
    await rig.control("POST", "/faults", {"kind": "400", "api": "push", "count": 1})
    body = {"contacts": [f"{CHANNEL}:{user}"]}
    refused = await rig.ask("POST", f"/{campaign['id']}/test-send", json=body)
    assert [each["state"] for each in refused.json()["contacts"]] == ["rejected"]


@pytest.mark.parametrize(
    "contacts",
    [["other:U" + "a" * 32], [f"{CHANNEL}:C" + "a" * 32], [contact(1)] * 2, [], [contact(n) for n in range(11)]],
)
async def test_a_test_goes_to_a_few_people_of_the_account(rig: Rig, contacts: list[str]) -> None:
    campaign = await rig.draft()
    answer = await rig.ask("POST", f"/{campaign['id']}/test-send", json={"contacts": contacts})
    assert answer.status_code == 422
