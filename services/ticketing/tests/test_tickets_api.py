"""Staff's API for tickets and hours, on the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.ticketing.clocks.api import hours_routes
from services.ticketing.tests.ticket_rig import ANN, CHANNELS, MONDAY, PHOTOS, Rig, bearer, completed_repair, the_keys
from services.ticketing.tickets.api import ticket_routes
from services.ticketing.tickets.errands import opening_of
from services.ticketing.tickets.store import INDEXES
from shared.api import create_api
from shared.audit import Audit
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

BOB = "other:U" + "b" * 32
WEEK = {
    "weekly": {"mon": [{"opens": "09:00", "closes": "12:00"}, {"opens": "13:00", "closes": "24:00"}]},
    "holidays": ["2026-12-25"],
    "targets": {"normal": {"first_response_minutes": 30}},
}


class Staff:
    """Staff at their API."""

    def __init__(self, rig: Rig, http: httpx.AsyncClient) -> None:
        self.rig = rig
        self.http = http

    async def ask(
        self, method: str, path: str, key: str = "agent", headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        return await self.http.request(method, path, headers=bearer(key) | (headers or {}), **more)

    async def change(self, ticket: str, version: int, **patch: Any) -> httpx.Response:
        return await self.ask("PATCH", f"/v1/tickets/{ticket}", headers={"if-match": f'"{version}"'}, json=patch)

    async def numbers(self, **query: Any) -> list[tuple[str, int]]:
        answer = await self.ask("GET", "/v1/tickets", params=query)
        assert answer.status_code == 200, answer.text
        return [(item["channel"], item["number"]) for item in answer.json()["items"]]


@pytest.fixture
async def staff(database: Database) -> AsyncIterator[Staff]:
    await ensure_indexes(database, INDEXES)
    rig = Rig(database)
    audit, keys = Audit(database, rig.clock), the_keys()
    api = create_api("tickets", CollectorRegistry())
    api.include_router(ticket_routes(rig.changes, rig.hours, CHANNELS, audit, keys, rig.clock))
    api.include_router(hours_routes(rig.hours, CHANNELS, audit, keys, rig.clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://desk") as http:
        yield Staff(rig, http)


async def a_repair(staff: Staff, session: str = "ses_1", contact: str = ANN) -> str:
    ticket = await staff.rig.changes.open(opening_of(completed_repair(session, contact)))
    await staff.rig.changes.dispatch(ticket.id)
    return ticket.id


async def test_a_ticket_is_shown_whole_with_its_version_as_tag(staff: Staff) -> None:
    ticket = await a_repair(staff)
    staff.rig.now += timedelta(minutes=3)
    answer = await staff.ask("GET", f"/v1/tickets/{ticket}", "viewer")

    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    shown = answer.json()
    assert (shown["number"], shown["state"], shown["photos"], shown["phone_verified"]) == (1, "new", PHOTOS, "unknown")
    assert (shown["allowed"], shown["clocks"]["worked_seconds"]) == (["accepted", "cancelled"], 180)


async def test_staff_take_a_ticket_and_the_customer_is_told_once(staff: Staff, database: Database) -> None:
    ticket = await a_repair(staff)
    answer = await staff.change(ticket, 1, state="accepted", assignee="bob", team="north")

    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert [(e["by"], e["field"], e["old"], e["new"]) for e in answer.json()["history"]] == [
        ("agent", "assignee", None, "bob"),
        ("agent", "team", None, "north"),
        ("agent", "state", "new", "accepted"),
    ]
    assert [text for *_, text in staff.rig.phone.shown] == ["Your repair no. 1: accepted."]
    again = await staff.change(ticket, 2, state="accepted")
    assert (again.status_code, again.headers["etag"], len(staff.rig.phone.shown)) == (200, '"2"', 1)
    noted = await database["audit"].find_one({"object": ticket})
    assert noted is not None
    assert (noted["who"], noted["action"]) == ("agent", "tickets.write")


async def test_a_ticket_is_given_to_nobody_by_null(staff: Staff) -> None:
    ticket = await a_repair(staff)
    await staff.change(ticket, 1, assignee="bob", team="north")
    shown = (await staff.change(ticket, 2, assignee=None)).json()

    assert (shown["assignee"], shown["team"]) == (None, "north")


async def test_an_edit_without_a_version_or_with_an_old_one_is_refused(staff: Staff) -> None:
    ticket = await a_repair(staff)
    bare = await staff.ask("PATCH", f"/v1/tickets/{ticket}", json={"assignee": "bob"})
    await staff.change(ticket, 1, assignee="bob")
    late = await staff.change(ticket, 1, assignee="cid")

    assert (bare.status_code, late.status_code, late.headers["etag"]) == (428, 412, '"2"')
    assert (await staff.ask("GET", f"/v1/tickets/{ticket}")).json()["assignee"] == "bob"


async def test_a_state_that_may_not_follow_is_refused_with_those_that_may(staff: Staff) -> None:
    ticket = await a_repair(staff)
    answer = await staff.change(ticket, 1, state="ready", assignee="bob")

    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {"pointer": "/state", "detail": "from new a ticket can become accepted, cancelled"}
    ]
    assert (await staff.ask("GET", f"/v1/tickets/{ticket}")).json()["assignee"] is None


@pytest.mark.parametrize(
    "patch",
    [
        {"state": "lost"},
        {"state": None},
        {"assignee": {"$ne": None}},
        {"assignee": " "},
        {"team": "a\x00b"},
        {"team": "x" * 65},
        {"priority": "highest"},
        {"number": 5},
    ],
)
async def test_a_wrong_field_is_named(staff: Staff, patch: dict[str, Any]) -> None:
    answer = await staff.change(await a_repair(staff), 1, **patch)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/body")


async def test_another_accounts_ticket_is_not_there(staff: Staff) -> None:
    ticket = await a_repair(staff)
    read = await staff.ask("GET", f"/v1/tickets/{ticket}", "elsewhere")
    written = await staff.ask(
        "PATCH", f"/v1/tickets/{ticket}", "elsewhere", headers={"if-match": '"1"'}, json={"team": "north"}
    )
    listed = await staff.ask("GET", "/v1/tickets", "elsewhere", params={"channel": "shop"})
    theirs = await staff.ask("GET", "/v1/tickets", "elsewhere")

    assert (read.status_code, written.status_code, listed.status_code) == (404, 404, 404)
    assert theirs.json() == {"items": [], "next_cursor": None}
    assert (await staff.ask("GET", "/v1/tickets/tkt_none")).status_code == 404


@pytest.mark.parametrize(
    ("key", "method", "status"),
    [
        *[("viewer", "GET", 200), ("marketer", "GET", 403), ("viewer", "PATCH", 403), ("marketer", "PATCH", 403)],
        *[("admin", "PATCH", 200), ("nobody", "GET", 401)],
    ],
)
async def test_who_may_read_and_write(staff: Staff, key: str, method: str, status: int) -> None:
    ticket = await a_repair(staff)
    more: dict[str, Any] = {"json": {"team": "north"}, "headers": {"if-match": '"1"'}} if method == "PATCH" else {}

    assert (await staff.ask(method, f"/v1/tickets/{ticket}", key, **more)).status_code == status


async def test_lists_go_through_all_accounts_page_by_page(staff: Staff) -> None:
    for number in range(3):
        await a_repair(staff, f"ses_{number}")
        await a_repair(staff, f"ses_b{number}", BOB)
    seen: list[tuple[str, int]] = []
    cursor = None
    while True:
        page = (
            await staff.ask("GET", "/v1/tickets", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [(item["channel"], item["number"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [("other", 3), ("other", 2), ("other", 1), ("shop", 3), ("shop", 2), ("shop", 1)]
    assert await staff.numbers(channel="shop", state="new", limit=1) == [("shop", 3)]
    assert await staff.numbers(contact=BOB) == [("other", 3), ("other", 2), ("other", 1)]
    assert await staff.numbers(contact=BOB, channel="shop") == []
    assert await staff.numbers(state="closed") == []


@pytest.mark.parametrize(
    "query", [{"limit": 201}, {"state": "lost"}, {"contact": "shop"}, {"cursor": "x"}, {"cursor": "WzEsMl0"}]
)
async def test_a_wrong_query_is_refused(staff: Staff, query: dict[str, Any]) -> None:
    assert (await staff.ask("GET", "/v1/tickets", params=query)).status_code == 422


async def test_staff_open_a_ticket_once_however_often_they_ask(staff: Staff) -> None:
    body = {"contact": ANN, "answers": {"fault": "Cold"}, "assignee": "bob", "priority": "high"}
    made = [await staff.ask("POST", "/v1/tickets", headers={"idempotency-key": "k1"}, json=body) for _ in range(2)]
    other_body = await staff.ask(
        "POST", "/v1/tickets", headers={"idempotency-key": "k1"}, json=body | {"priority": "low"}
    )
    no_key = await staff.ask("POST", "/v1/tickets", json=body)

    assert [answer.status_code for answer in (*made, other_body, no_key)] == [201, 201, 422, 400]
    assert made[0].json() == made[1].json()
    assert made[0].headers["location"] == f"/v1/tickets/{made[0].json()['id']}"
    assert await staff.numbers() == [("shop", 1)]
    assert [fact["by"] for fact in staff.rig.kafka.facts("ticket_opened")] == ["agent"]
    assert [fact["assignee"] for fact in staff.rig.kafka.facts("ticket_assigned")] == ["bob"]


@pytest.mark.parametrize(
    ("contact", "key", "status"),
    [("gone:U" + "a" * 32, "agent", 404), (ANN, "elsewhere", 404), ("shop:nobody", "agent", 422), (ANN, "viewer", 403)],
)
async def test_no_ticket_is_opened_for(staff: Staff, contact: str, key: str, status: int) -> None:
    answer = await staff.ask("POST", "/v1/tickets", key, headers={"idempotency-key": "k1"}, json={"contact": contact})

    assert answer.status_code == status
    assert await staff.numbers() == []


async def test_hours_are_written_first_freely_and_then_against_their_version(staff: Staff) -> None:
    path = "/v1/hours/shop"
    assert (await staff.ask("GET", path, "admin")).status_code == 404
    first = await staff.ask("PUT", path, "admin", json=WEEK)
    bare = await staff.ask("PUT", path, "admin", json={})
    second = await staff.ask("PUT", path, "admin", headers={"if-match": first.headers["etag"]}, json={})
    late = await staff.ask("PUT", path, "admin", headers={"if-match": first.headers["etag"]}, json=WEEK)

    assert [answer.status_code for answer in (first, bare, second, late)] == [200, 428, 200, 412]
    read = await staff.ask("GET", path, "admin")
    assert (read.headers["etag"], read.json()["weekly"], read.json()["timezone"]) == ('"2"', {}, "Asia/Taipei")


async def test_tickets_opened_under_hours_are_due_by_them(staff: Staff) -> None:
    await staff.ask("PUT", "/v1/hours/shop", "admin", json=WEEK)
    shown = (await staff.ask("GET", f"/v1/tickets/{await a_repair(staff)}")).json()

    assert shown["due_at"] == (MONDAY + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    "body",
    [
        {"weekly": {"mon": [{"opens": "18:00", "closes": "09:00"}]}},
        {"weekly": {"mon": [{"opens": "09:00", "closes": "12:00"}, {"opens": "11:00", "closes": "13:00"}]}},
        {"weekly": {"mon": []}},
        {"weekly": {"noday": []}},
        {"weekly": {"mon": [{"opens": "9", "closes": "25:00"}]}},
        {"holidays": ["2026-02-30"]},
        {"targets": {"normal": {"resolution_minutes": 0}}},
        {"targets": {"soon": {}}},
    ],
)
async def test_hours_that_make_no_sense_are_refused(staff: Staff, body: dict[str, Any]) -> None:
    assert (await staff.ask("PUT", "/v1/hours/shop", "admin", json=body)).status_code == 422


async def test_who_may_set_hours(staff: Staff) -> None:
    unseen = await staff.ask("PUT", "/v1/hours/nowhere", "admin", json=WEEK)
    answers = [await staff.ask("PUT", "/v1/hours/shop", key, json=WEEK) for key in ("viewer", "marketer")]

    assert [answer.status_code for answer in (unseen, *answers)] == [404, 403, 403]
