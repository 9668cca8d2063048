"""Segments by HTTP: made once, edited by who read them, shown to whom they belong, counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.broadcast.people.model import Person
from services.broadcast.people.store import MongoPeople
from services.broadcast.segments.api import segment_routes
from services.broadcast.segments.store import INDEXES, MongoSegments
from services.broadcast.tests.crowds import NOW
from services.broadcast.tests.desk import Desk
from shared.api import create_api
from shared.audit import Audit
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

BOUND = {"field": "bound", "is": True}
Call = Callable[..., Any]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
async def api(desk: Desk, database: Database) -> FastAPI:
    await ensure_indexes(database, INDEXES)
    return an_api(desk, database, MongoPeople(database))


def an_api(desk: Desk, database: Database, people: MongoPeople) -> FastAPI:
    api = create_api("test", CollectorRegistry())
    audit = Audit(database, lambda: NOW)
    api.include_router(segment_routes(MongoSegments(database), people, desk.channels, audit, desk.keys, lambda: NOW))
    return api


@pytest.fixture
def call(desk: Desk, api: FastAPI) -> Call:
    async def call(method: str, path: str, *, who: str = "ann", **more: Any) -> httpx.Response:
        async with desk.client(api, who) as client:
            return await client.request(method, path, **more)

    return call


async def make(call: Call, key: str = "1", expression: Any = None, **more: Any) -> httpx.Response:
    body = {"channel": "shop", "name": "Bound", "expression": expression or BOUND} | more.pop("body", {})
    answer: httpx.Response = await call("POST", "/v1/segments", json=body, headers={"idempotency-key": key}, **more)
    return answer


async def test_a_segment_is_made_shown_listed_edited_and_deleted(call: Call, database: Database) -> None:
    made = await make(call)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    path = made.headers["location"]
    assert (await call("GET", path)).json() == made.json()
    edit = {"name": "Unbound", "expression": {"not": BOUND}}
    edited = await call("PUT", path, json=edit, headers={"if-match": '"1"'}, who="max")
    assert (edited.status_code, edited.headers["etag"]) == (200, '"2"')
    shown = (await call("GET", path)).json()
    assert {name: shown[name] for name in ("name", "expression", "version", "created_by", "updated_by")} == {
        **edit,
        "version": 2,
        "created_by": "ann",
        "updated_by": "max",
    }
    assert (await call("GET", "/v1/segments?channel=shop")).json()["items"] == [shown]
    assert (await call("DELETE", path)).status_code == 204
    assert (await call("GET", path)).status_code == 404
    noted = [entry["action"] async for entry in database["audit"].find({"object": shown["id"]}).sort("_id", 1)]
    assert sorted(noted) == ["segments.create", "segments.delete", "segments.edit"]


async def test_the_same_request_again_makes_no_second_segment(call: Call) -> None:
    first, again = await make(call), await make(call)
    assert (again.status_code, again.json()) == (201, first.json())
    other = await make(call, body={"name": "Another"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/invalid")
    assert (await make(call, key="2")).json()["id"] != first.json()["id"]
    nameless = await call("POST", "/v1/segments", json={"channel": "shop", "name": "B", "expression": BOUND})
    assert (nameless.status_code, nameless.json()["type"]) == (400, "/problems/bad-request")
    assert len((await call("GET", "/v1/segments")).json()["items"]) == 2


async def test_an_edit_of_what_has_changed_since_is_refused(call: Call) -> None:
    path = (await make(call)).headers["location"]
    edit = {"name": "B", "expression": BOUND}
    assert (await call("PUT", path, json=edit)).status_code == 428
    assert (await call("PUT", path, json=edit, headers={"if-match": '"1"'})).status_code == 200
    late = await call("PUT", path, json=edit, headers={"if-match": '"1"'})
    assert (late.status_code, late.headers["etag"]) == (412, '"2"')


async def test_another_account_s_segment_is_not_there(call: Call) -> None:
    path = (await make(call)).headers["location"]
    for method, more in (("GET", {}), ("DELETE", {}), ("PUT", {"json": {"name": "B", "expression": BOUND}})):
        answer = await call(method, path, who="oz", headers={"if-match": '"1"'}, **more)
        assert answer.status_code == 404
    assert (await call("GET", f"{path}/preview", who="oz")).status_code == 404
    assert (await call("GET", "/v1/segments", who="oz")).json()["items"] == []
    assert (await call("GET", "/v1/segments?channel=shop", who="oz")).status_code == 404
    assert (await make(call, who="oz")).status_code == 404
    foreign = await make(call, who="ann", body={"channel": "other"}, expression={"field": "segment", "is": path[13:]})
    assert foreign.json()["errors"][0]["detail"].startswith("there is no segment")


@pytest.mark.parametrize(("who", "reads", "writes"), [("max", 200, 201), ("eve", 200, 403), ("guy", 403, 403)])
async def test_each_role_may_what_the_table_says(call: Call, who: str, reads: int, writes: int) -> None:
    assert (await call("GET", "/v1/segments?channel=shop", who=who)).status_code == reads
    looked = await call("POST", "/v1/segments/preview", who=who, json={"channel": "shop", "expression": BOUND})
    assert looked.status_code == reads
    assert (await make(call, who=who)).status_code == writes


async def test_a_wrong_expression_is_told_by_pointer(call: Call) -> None:
    wrong = {"all": [BOUND, {"field": "tags", "has": {"$ne": None}}]}
    for answer in (
        await make(call, expression=wrong),
        await call("POST", "/v1/segments/preview", json={"channel": "shop", "expression": wrong}),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/expression/all/1/has"]


async def test_segments_of_segments_never_lead_in_a_circle_nor_lose_their_ground(call: Call) -> None:
    first = (await make(call)).json()["id"]
    second = (await make(call, key="2", expression={"not": {"field": "segment", "is": first}})).json()["id"]
    circle = {"name": "A", "expression": {"all": [{"field": "segment", "is": second}]}}
    refused = await call("PUT", f"/v1/segments/{first}", json=circle, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/expression/all/0/is")
    kept = await call("DELETE", f"/v1/segments/{first}")
    assert (kept.status_code, second in kept.json()["detail"]) == (409, True)
    assert (await call("DELETE", f"/v1/segments/{second}")).status_code == 204
    assert (await call("DELETE", f"/v1/segments/{first}")).status_code == 204


async def test_pages_follow_each_other(call: Call) -> None:
    made = {(await make(call, key=str(number))).json()["id"] for number in range(5)}
    met: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while query:
        page = (await call("GET", "/v1/segments", params=query, who="max")).json()
        met += [segment["id"] for segment in page["items"]]
        query = {"limit": 2, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert met == sorted(made)


async def fill(database: Database) -> None:
    people = MongoPeople(database)
    for number in range(12):
        member, at = f"mbr_{number}", NOW + timedelta(minutes=number)
        person = Person(
            f"shop:U{number:032x}",
            "shop",
            member,
            1,
            at,
            bound=number % 2 == 0,
            following=[True, False, None][number % 3],
        )
        await people.apply(member, 1, [person])


async def test_a_preview_counts_tells_the_reach_and_shows_a_few(call: Call, database: Database) -> None:
    await fill(database)
    everyone = (await call("POST", "/v1/segments/preview", json={"channel": "shop", "expression": {"all": []}})).json()
    assert (everyone["count"], everyone["reachable"], len(everyone["sample"])) == (12, 4, 10)
    assert everyone["sample"][0] == {"member": "mbr_0", "contact": f"shop:U{0:032x}", "reachable": True}
    path = (await make(call)).headers["location"]
    found = (await call("GET", f"{path}/preview", who="eve")).json()
    assert (found["count"], found["reachable"], found["as_of"]) == (6, 2, "2026-11-20T04:00:00Z")
    other = await call("POST", "/v1/segments/preview", json={"channel": "other", "expression": {"all": []}})
    assert other.json()["count"] == 0


async def test_a_preview_that_takes_too_long_is_a_503_that_says_so(desk: Desk, database: Database) -> None:
    hasty = an_api(desk, database, MongoPeople(database, ask_seconds=0.000_001))
    async with desk.client(hasty) as client:
        answer = await client.post("/v1/segments/preview", json={"channel": "shop", "expression": BOUND})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/too-slow")
    assert "takes too long" in answer.json()["detail"]
