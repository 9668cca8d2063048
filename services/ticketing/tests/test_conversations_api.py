"""The inbox by API: who may, which version, once a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.ticketing.conversations.errands import NOTE_REPLY
from services.ticketing.tests.desk_rig import ANN, DeskRig, record, text_event
from services.ticketing.tests.ticket_rig import MONDAY, Death
from shared.mongo import Database

pytestmark = pytest.mark.integration

PATH = f"/v1/conversations/{ANN}"
ROUTES = [
    ("GET", "/v1/conversations", None),
    ("GET", PATH, None),
    ("GET", f"{PATH}/messages", None),
    ("PATCH", PATH, {"assignee": "kim"}),
    ("POST", f"{PATH}/read", None),
    ("POST", f"{PATH}/notes", {"text": "hm"}),
    ("POST", f"{PATH}/replies", {"text": "hello"}),
]
EDIT = {"if-match": '"1"', "idempotency-key": "k"}


@pytest.fixture
async def rig(database: Database) -> DeskRig:
    made = DeskRig(database)
    await made.prepare()
    await made.arrive(record(1, text_event("hello")))
    return made


async def call(rig: DeskRig, method: str, path: str, key: str = "agent", **more: Any) -> httpx.Response:
    async with rig.staff(key) as staff:
        return await staff.request(method, path, **more)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
@pytest.mark.parametrize(("key", "status"), [("nobody", 401), ("marketer", 403), ("viewer", 403)])
async def test_only_agents_and_admins_see_what_customers_wrote(
    rig: DeskRig, method: str, path: str, body: Any, key: str, status: int
) -> None:
    assert (await call(rig, method, path, key, json=body, headers=EDIT)).status_code == status


@pytest.mark.parametrize(("method", "path", "body"), ROUTES[1:])
async def test_another_account_s_conversation_is_as_unknown_as_one_that_is_none(
    rig: DeskRig, method: str, path: str, body: Any
) -> None:
    nobody = path.replace("a" * 32, "b" * 32)
    foreign = await call(rig, method, path, "elsewhere", json=body, headers=EDIT)
    unknown = await call(rig, method, nobody, json=body, headers=EDIT)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"] == unknown.json()["detail"]
    assert rig.phone.shown == []


async def test_a_key_of_another_account_lists_nothing_of_this_one(rig: DeskRig) -> None:
    assert (await call(rig, "GET", "/v1/conversations", "elsewhere")).json()["items"] == []
    assert (await call(rig, "GET", "/v1/conversations?channel=shop", "elsewhere")).status_code == 404
    assert (await call(rig, "GET", "/v1/conversations?channel=nowhere", "admin")).status_code == 404


async def test_an_edit_names_the_version_it_was_made_for(rig: DeskRig) -> None:
    assert (await call(rig, "PATCH", PATH, json={"team": "repairs"})).status_code == 428
    done = await call(rig, "PATCH", PATH, json={"team": "repairs", "tags": ["vip"]}, headers=EDIT)
    assert (done.status_code, done.headers["etag"], done.json()["tags"]) == (200, '"2"', ["vip"])
    late = await call(rig, "PATCH", PATH, json={"team": "sales"}, headers=EDIT)
    assert late.status_code == 412
    cleared = await call(rig, "PATCH", PATH, json={"team": None}, headers={"if-match": '"2"'})
    assert (cleared.json()["team"], cleared.json()["tags"]) == (None, ["vip"])


@pytest.mark.parametrize(
    "body",
    [{"state": None}, {"state": "asleep"}, {"tags": None}, {"assignee": " "}, {"assignee": "x" * 65}, {"odd": 1}],
)
async def test_a_wrong_edit_is_a_422(rig: DeskRig, body: Any) -> None:
    assert (await call(rig, "PATCH", PATH, json=body, headers=EDIT)).status_code == 422


async def test_resolving_tells_how_long_it_took(rig: DeskRig) -> None:
    rig.now = MONDAY + timedelta(minutes=2)
    await call(rig, "POST", f"{PATH}/replies", json={"text": "hello"}, headers=EDIT)
    rig.now += timedelta(minutes=8)
    version = (await call(rig, "GET", PATH)).headers["etag"]
    done = await call(rig, "PATCH", PATH, json={"state": "resolved"}, headers={"if-match": version})
    assert (done.json()["state"], done.json()["unread"]) == ("resolved", 0)
    [fact] = rig.kafka.facts("conversation_closed")
    assert (fact["first_response_seconds"], fact["resolution_seconds"], fact["by"]) == (120, 600, "agent")


async def test_a_reply_leaves_once_for_a_key_and_other_words_under_it_are_refused(rig: DeskRig) -> None:
    bodies = [{"text": "yes?"}, {"text": "yes?"}, {"text": "no"}]
    sent = [await call(rig, "POST", f"{PATH}/replies", json=body, headers=EDIT) for body in bodies]
    assert [answer.status_code for answer in sent] == [202, 202, 422]
    assert sent[0].json() == sent[1].json()
    assert sent[0].json()["delivery"]["api"] == "reply"
    assert rig.phone.shown == [("reply", "", "yes?")]
    [told] = rig.errands
    assert (told["do"], told["contact"], told["by"]) == (NOTE_REPLY, ANN, "agent")
    other = await call(rig, "POST", f"{PATH}/replies", "admin", json={"text": "no"}, headers=EDIT)
    assert other.status_code == 202, "a key is its caller's own"


async def test_a_reply_after_the_token_went_stale_or_was_used_is_pushed(rig: DeskRig) -> None:
    rig.now = MONDAY + timedelta(minutes=5)
    first = await call(rig, "POST", f"{PATH}/replies", json={"text": "late"}, headers=EDIT)
    assert first.json()["delivery"]["api"] == "push"
    assert [api for api, _, _ in rig.phone.shown] == ["push"]


async def test_a_reply_whose_process_dies_after_any_call_leaves_once_when_it_is_asked_for_again(
    database: Database,
) -> None:
    for calls in range(1, 60):
        rig = DeskRig(database)
        await database.client.drop_database(database.name)
        await rig.prepare()
        await rig.arrive(record(1, text_event("hello")))
        rig.fuse.left = calls
        died = False
        try:
            await call(rig, "POST", f"{PATH}/replies", json={"text": "yes?"}, headers=EDIT)
        except Death:
            died = True
        rig.fuse.left = None
        again = await call(rig, "POST", f"{PATH}/replies", json={"text": "yes?"}, headers=EDIT)
        assert again.status_code == 202, calls
        await rig.settle()
        assert [text for _, _, text in rig.phone.shown] == ["yes?"], calls
        assert await rig.said() == ["in: hello", "out: yes?"], calls
        assert len(rig.errands) == 1, calls
        if not died:
            assert calls > 5
            return
    raise AssertionError("a reply takes more calls than that?")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {"text": "x"}, 400),
        (EDIT, {}, 422),
        (EDIT, {"text": ""}, 422),
        (EDIT, {"text": "x", "messages": []}, 422),
        (EDIT, {"messages": []}, 422),
        (EDIT, {"messages": [{"type": "text", "text": "x"}] * 6}, 422),
        (EDIT, {"messages": [{"type": "hologram"}]}, 422),
    ],
)
async def test_a_reply_line_would_refuse_is_refused_here(
    rig: DeskRig, headers: dict[str, str], body: Any, status: int
) -> None:
    assert (await call(rig, "POST", f"{PATH}/replies", json=body, headers=headers)).status_code == status
    assert rig.phone.shown == []


async def test_lists_and_threads_go_on_by_their_cursors(rig: DeskRig) -> None:
    for number in range(5):
        user = f"U{number:032x}"
        at = MONDAY + timedelta(seconds=number)
        await rig.arrive(record(number, text_event(f"from {number}", at, user)))
        await rig.arrive(record(10 + number, text_event(f"more {number}", at)))
    for path, count in (("/v1/conversations", 6), (f"{PATH}/messages", 6)):
        walked, cursor = [], ""
        while True:
            page = (await call(rig, "GET", f"{path}?limit=2{cursor}")).json()
            walked += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert len(walked) == len(set(walked)) == count
        assert (await call(rig, "GET", f"{path}?limit=200")).json()["items"][0]["id"] == walked[0]


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwiYiJd", "Wy0xLCJiIl0", "WzFlMzAsImIiXQ"])
async def test_a_cursor_of_another_list_is_a_422(rig: DeskRig, cursor: str) -> None:
    for path in ("/v1/conversations", f"{PATH}/messages"):
        answer = await call(rig, "GET", f"{path}?cursor={cursor}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/cursor")


async def test_the_audit_log_says_who_did_something_to_whom_without_naming_the_user(rig: DeskRig) -> None:
    await call(rig, "POST", f"{PATH}/notes", json={"text": "hm"})
    [entry] = [entry async for entry in rig.database["audit"].find({})]
    assert (entry["who"], entry["action"]) == ("agent", "conversations.reply")
    assert "U" + "a" * 32 not in str(entry)
