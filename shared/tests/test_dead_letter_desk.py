"""`/v1/dlq` and `/v1/audit` as staff use them: letters in a real topic in, what goes on the retry topic out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from deploy.topics.job import apply_topics
from shared.api import create_api
from shared.audit import Audit
from shared.audit_routes import audit_routes
from shared.auth import AdminKey, AdminKeys
from shared.broker import read_to_end, reading
from shared.consumer.dead_letters import DeadLetters
from shared.consumer.records import BadRecord, Coordinates, Record
from shared.dlq import INDEXES, DeadLetterDesk, dead_letter_routes, desk
from shared.ids import ulid
from shared.mongo import Database, ensure_indexes
from shared.producer import Producer
from shared.topics import BY_NAME, COMMERCE_EVENTS, WEB_EVENTS, Topic

pytestmark = pytest.mark.integration

KEY = "mk_ann_secret"
NOW = datetime(2026, 8, 1, tzinfo=UTC)


@dataclass
class Office:
    """One service's dead letters on topics of their own, and its API."""

    http: httpx.AsyncClient
    letters: DeadLetters
    kafka_url: str
    retry: str

    async def dies(self, number: int, *, topic: str = WEB_EVENTS, error: Exception | None = None) -> None:
        """Let a record become a dead letter."""
        at = Coordinates(topic, 0, number)
        record = Record(at, b"a contact", str(number).encode(), (("event-id", b"e"),), NOW, at)
        await self.letters.put(record, error or BadRecord("no event"), "test", 1, NOW)

    async def call(self, method: str, path: str, status: int, **asked: Any) -> dict[str, Any]:
        """Return the answer's JSON, which must have this status."""
        answer = await self.http.request(method, path, **asked)
        assert answer.status_code == status, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def listed(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the letters of a list, oldest first."""
        items: list[dict[str, Any]] = (await self.call("GET", "/v1/dlq", 200, params=asked))["items"]
        return items[::-1]

    async def offsets(self, **asked: Any) -> list[int]:
        """Return the original offsets of the letters of a list, which tell them apart."""
        return sorted([letter["offset"] for letter in await self.listed(**asked)])

    async def replayed(self) -> list[bytes | None]:
        """Return what was put onto the retry topic, in its order."""
        async with reading(self.kafka_url, self.retry) as consumer:
            return [record.value async for record in read_to_end(consumer)]


@pytest.fixture
async def office(kafka_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    run = ulid().lower()
    dead, retry = Topic(f"test.dlq.{run}", 2), Topic(f"test.retry.{run}", 2)
    await apply_topics(kafka_url, topics=[dead, retry])
    monkeypatch.setitem(BY_NAME, dead.name, dead)
    for module in ("shared.dlq.desk", "shared.consumer.dead_letters"):
        monkeypatch.setattr(f"{module}.dlq_topic", lambda _: dead.name)
    monkeypatch.setattr(desk, "retry_topic", lambda _: retry.name)
    await ensure_indexes(database, INDEXES)
    keys = AdminKeys([AdminKey(id="ann", sha256=hashlib.sha256(KEY.encode()).hexdigest(), role="admin")])
    audit = Audit(database)
    registry = CollectorRegistry()
    sender = Producer(kafka_url, "test", registry=registry)
    api = create_api("test", registry)
    api.include_router(dead_letter_routes(DeadLetterDesk("test", kafka_url, sender, database, audit), keys))
    api.include_router(audit_routes(audit, keys))
    headers = {"authorization": f"Bearer {KEY}"}
    await sender.start()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://test", headers=headers, timeout=30
    ) as http:
        yield Office(http, DeadLetters("test", sender), kafka_url, retry.name)
    await sender.close()


async def test_a_dropped_letter_is_a_decision_that_is_written_down(office: Office) -> None:
    await office.dies(1)
    [letter] = await office.listed()
    path = f"/v1/dlq/{letter['id']}"

    await office.call("POST", f"{path}/drop", 422, json={"why": " "})
    await office.call("POST", f"{path}/drop", 200, json={"why": "a test record"})
    await office.call("POST", f"{path}/drop", 200, json={"why": "again"})

    assert await office.listed() == []
    [dropped] = await office.listed(state="dropped")
    assert (dropped["dropped"]["by"], dropped["dropped"]["why"]) == ("ann", "a test record")
    assert (await office.call("GET", path, 200))["value"] == "1"
    assert (await office.call("GET", "/v1/dlq/counts", 200)) == {
        "service": "test",
        "open": 0,
        "replayed": 0,
        "dropped": 1,
    }
    await office.call("POST", f"{path}/replay", 409)
    assert await office.replayed() == []
    noted = (await office.call("GET", "/v1/audit", 200, params={"action": "dead_letters.drop", "who": "ann"}))["items"]
    assert [entry["why"] for entry in noted] == ["again", "a test record"]
    assert all(entry["object"].endswith(f"/{letter['id']}") for entry in noted)


async def test_a_decision_can_be_taken_back_or_forced(office: Office) -> None:
    await office.dies(1)
    await office.dies(2)
    back, forced = [f"/v1/dlq/{letter['id']}" for letter in await office.listed()]
    for path in (back, forced):
        await office.call("POST", f"{path}/drop", 200, json={"why": "by mistake"})

    await office.call("DELETE", f"{back}/drop", 200)
    await office.call("DELETE", f"{back}/drop", 404)
    await office.call("POST", f"{back}/replay", 202)
    await office.call("POST", f"{forced}/replay?force=true", 202)

    assert await office.replayed() == [b"1", b"2"]
    assert [letter["replayed"] for letter in await office.listed()] == [True, True]


async def test_letters_are_found_by_topic_error_time_and_state(office: Office) -> None:
    await office.dies(1)
    await office.dies(2, topic=COMMERCE_EVENTS)
    await office.dies(3, error=KeyError("name"))
    first, second, third = await office.listed()
    await office.call("POST", f"/v1/dlq/{third['id']}/drop", 200, json={"why": "known"})
    day = first["dead_since"][:10]
    next_day = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()

    assert await office.offsets(topic=COMMERCE_EVENTS) == [2]
    assert await office.offsets(error="BadRecord") == [1, 2]
    assert await office.offsets(error="KeyError", state="all") == [3]
    assert await office.offsets(state="open") == [1, 2]
    assert await office.offsets(state="all", since=second["dead_since"]) == [2, 3]
    assert await office.offsets(state="all", until=second["dead_since"]) == [1]
    assert await office.offsets(state="all", since=day, until=next_day) == [1, 2, 3]
    assert await office.offsets(since=next_day) == []
    wrong = await office.call("GET", "/v1/dlq", 422, params={"since": "2026-08-01T00:00:00"})
    assert wrong["errors"][0]["pointer"] == "/query/since"


async def test_all_that_match_are_counted_then_replayed_once_in_their_order(office: Office) -> None:
    for number in range(5):
        await office.dies(number, topic=WEB_EVENTS if number else COMMERCE_EVENTS)
    last = (await office.listed())[-1]
    await office.call("POST", f"/v1/dlq/{last['id']}/drop", 200, json={"why": "known"})
    web = {"topic": WEB_EVENTS}

    counted = await office.call("POST", "/v1/dlq/replay", 200, json=web)
    assert (counted, await office.replayed()) == ({"matched": 3, "done": 0, "dry_run": True}, [])
    some = await office.call("POST", "/v1/dlq/replay", 200, json=web | {"dry_run": False, "most": 2})
    rest = await office.call("POST", "/v1/dlq/replay", 200, json=web | {"dry_run": False})
    none = await office.call("POST", "/v1/dlq/replay", 200, json=web | {"dry_run": False})

    assert [(done["matched"], done["done"]) for done in (some, rest, none)] == [(3, 2), (1, 1), (0, 0)]
    assert await office.replayed() == [b"1", b"2", b"3"]
    assert len((await office.call("GET", "/v1/audit", 200, params={"action": "dead_letters.replay"}))["items"]) == 3


async def test_all_that_match_are_dropped(office: Office) -> None:
    for number in range(3):
        await office.dies(number, error=KeyError("name") if number else None)

    await office.call("POST", "/v1/dlq/drop", 422, json={"dry_run": False})
    done = await office.call("POST", "/v1/dlq/drop", 200, json={"error": "KeyError", "why": "old", "dry_run": False})

    assert (done["matched"], done["done"]) == (2, 2)
    assert await office.offsets() == [0]


async def test_the_audit_log_is_read_page_by_page(office: Office) -> None:
    await office.dies(1)
    [letter] = await office.listed()
    for number in range(3):
        await office.call("POST", f"/v1/dlq/{letter['id']}/drop", 200, json={"why": str(number)})

    first = await office.call("GET", "/v1/audit", 200, params={"limit": 2})
    second = await office.call("GET", "/v1/audit", 200, params={"limit": 2, "cursor": first["next_cursor"]})
    nothing = await office.call("GET", "/v1/audit", 200, params={"since": "2999-01-01"})

    assert [entry["why"] for entry in first["items"] + second["items"]] == ["2", "1", "0"]
    assert (second["next_cursor"], nothing["items"]) == (None, [])
