"""A tag given to a member reaches everyone who reads the topics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually
from shared.topics import MEMBER_STATE

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"


async def test_a_tag_given_by_api_or_by_csv_is_in_the_members_snapshot(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "add")
    member = await spine.until_member(COFFEE, user)
    tag = f"e2e-{ulid()}"
    consumer = AIOKafkaConsumer(
        MEMBER_STATE, bootstrap_servers=spine.facts["kafka"], group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    newest: dict[str, Any] = {}

    async def told(*tags: str) -> bool:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                if record.key == member["id"].encode() and record.value is not None:
                    newest.update(json.loads(record.value))
        return bool(set(newest.get("tags", ())) == set(tags))

    try:
        given = await spine.admin("PUT", "binding", f"/v1/members/{member['id']}/tags/{tag}")
        assert given.status_code == 200, given.text
        await eventually(lambda: told(tag))
        csv = f"contact,tag,action\r\n{COFFEE}:{user},{tag}-2,\r\n{COFFEE}:{user},{tag},remove\r\n"
        report = await spine.admin(
            "POST",
            "binding",
            "/v1/tags/import",
            params={"channel": COFFEE},
            content=csv.encode("utf-8-sig"),
            headers={"content-type": "text/csv"},
        )
        assert (report.status_code, report.json()["changed"], report.json()["errors"]) == (200, 2, [])
        await eventually(lambda: told(f"{tag}-2"))
    finally:
        await consumer.stop()
    assert (await spine.member(COFFEE, user) or {})["tags"] == [f"{tag}-2"]
