"""Staff's API for campaigns, on the real store, with LINE's stand-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.broadcast.sending.model import NewChunk
from services.broadcast.tests.campaign_rig import CHANNEL, HELLO, KEYS, PUBLIC_URL, Rig, contact, rig_on
from shared.auth import PERMISSIONS
from shared.mongo import Database

pytestmark = pytest.mark.integration

SHOP = "https://shop.example/sale"
MENU = {
    "type": "template",
    "altText": "Sale",
    "template": {
        "type": "buttons",
        "text": "Sale",
        "actions": [{"type": "uri", "label": label, "uri": SHOP} for label in ("Tea", "Coffee")],
    },
}


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


def bubbles(count: int) -> dict[str, Any]:
    bubble = {"type": "bubble", "body": {"type": "box", "layout": "vertical", "contents": []}}
    return {"type": "flex", "altText": "a", "contents": {"type": "carousel", "contents": [bubble] * count}}


def pointers(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


ROUTES = [
    ("GET", "", "campaigns.read"),
    ("GET", "/{id}", "campaigns.read"),
    ("GET", "/{id}/progress", "campaigns.read"),
    ("GET", "/{id}/recipients", "campaigns.read"),
    ("GET", f"/{{id}}/recipients/{contact(1)}", "campaigns.read"),
    ("GET", "/{id}/test-send/tst_a", "campaigns.read"),
    ("POST", "", "campaigns.write"),
    ("PATCH", "/{id}", "campaigns.write"),
    ("POST", "/{id}/check", "campaigns.write"),
    ("POST", "/{id}/test-send", "campaigns.send"),
    ("POST", "/{id}/start", "campaigns.send"),
    ("POST", "/{id}/pause", "campaigns.send"),
    ("POST", "/{id}/resume", "campaigns.send"),
    ("POST", "/{id}/cancel", "campaigns.send"),
]


async def test_each_route_lets_in_whom_the_table_says_and_hides_other_accounts(rig: Rig) -> None:
    campaign = (await rig.draft())["id"]
    for method, path, action in ROUTES:
        place = path.format(id=campaign)
        body: Any = {"json": {"contacts": [contact(1)]} if "test" in path else {}} if method != "GET" else {}
        for key in KEYS:
            answer = await rig.ask(method, place, key, **body)
            role = "admin" if key == "stranger" else key
            forbidden = role not in PERMISSIONS[action]
            assert (answer.status_code == 403) == forbidden, (method, path, key, answer.text)
        stranger = await rig.ask(method, place, "stranger", headers={"if-match": '"1"'}, **body)
        if path:
            assert stranger.status_code == 404, (method, path)
        nobody = await rig.api.request(method, f"/v1/campaigns{place}")
        assert nobody.status_code == 401


async def test_a_draft_is_made_once_for_its_key_and_shows_its_links(rig: Rig) -> None:
    body = {
        "channel": CHANNEL,
        "name": " Sale ",
        "messages": [*HELLO, MENU],
        "expression": {"field": "bound", "is": True},
    }
    headers = {"idempotency-key": "one"}
    first, second = await asyncio.gather(*(rig.ask("POST", "", json=body, headers=headers) for _ in range(2)))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    shown = first.json()
    assert (shown["name"], shown["state"], first.headers["etag"]) == ("Sale", "draft", '"1"')
    assert [link["url"] for link in shown["links"]] == [SHOP, SHOP, SHOP]
    assert len({link["id"] for link in shown["links"]}) == 3
    other = await rig.ask("POST", "", json=body | {"name": "Other"}, headers=headers)
    assert other.status_code == 422
    assert len((await rig.ask("GET", "")).json()["items"]) == 1
    without = await rig.api.post("/v1/campaigns", json=body, headers={"authorization": "Bearer mk_marketer_secret"})
    assert without.status_code == 400


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"messages": [{"type": "text", "text": "x" * 5001}]}, "/messages/0/text"),
        ({"messages": [{"type": "text", "text": "🍎" * 2501}]}, "/messages/0/text"),
        ({"messages": [HELLO[0], bubbles(13)]}, "/messages/1/contents/contents"),
        ({"messages": HELLO * 6}, "/messages"),
        ({"messages": []}, "/messages"),
        ({"messages": [{"type": "text", "text": "Dear {name}"}]}, "/messages/0/text"),
        ({"messages": [{"type": "text", "text": "a", "$where": 2**70}]}, "/messages"),
        ({"expression": {"field": "$where", "is": 1}}, "/expression/field"),
        ({"expression": {"field": "segment", "is": "seg_none"}}, "/expression/is"),
        ({"segment": "seg_none"}, "/segment"),
        ({"segment": "seg_none", "expression": {"all": []}}, "/segment"),
        ({"unit": "with space"}, "/body/unit"),
        ({"name": "  "}, "/body/name"),
        ({"block_limit": {"per_1000": 0}}, "/body/block_limit/per_1000"),
        ({"surprise": 1}, "/body/surprise"),
    ],
)
async def test_what_is_wrong_is_named_before_anything_is_stored_and_line_is_not_asked(
    rig: Rig, wrong: dict[str, Any], pointer: str
) -> None:
    body = {"channel": CHANNEL, "name": "Sale", "messages": HELLO} | wrong
    answer = await rig.ask("POST", "", json=body)
    assert pointer in "".join(pointers(answer))
    assert (await rig.ask("GET", "")).json()["items"] == []
    assert (await rig.control("GET", "/accepts"))["items"] == []


async def test_members_of_messages_that_look_like_operators_are_just_kept(rig: Rig) -> None:
    messages = [{"type": "text", "text": "a", "$set": {"a.b": 1}}]
    campaign = await rig.draft(messages=messages)
    assert (await rig.ask("GET", f"/{campaign['id']}")).json()["messages"] == messages


async def test_edits_need_the_version_they_are_made_for(rig: Rig) -> None:
    path = f"/{(await rig.draft())['id']}"
    assert (await rig.ask("PATCH", path, json={"name": "New"})).status_code == 428
    edited = await rig.ask("PATCH", path, json={"name": "New", "messages": [MENU]}, headers={"if-match": '"1"'})
    assert (edited.status_code, edited.headers["etag"]) == (200, '"2"')
    assert (edited.json()["name"], len(edited.json()["links"])) == ("New", 2)
    stale = await rig.ask("PATCH", path, json={"name": "Old"}, headers={"if-match": '"1"'})
    assert stale.status_code == 412
    wrong = await rig.ask("PATCH", path, json={"messages": [bubbles(13)]}, headers={"if-match": '"2"'})
    assert pointers(wrong) == ["/messages/0/contents/contents"]
    assert (await rig.ask("GET", path)).json()["name"] == "New"


async def test_a_unit_belongs_to_one_campaign(rig: Rig) -> None:
    await rig.draft(unit="spring")
    body = {"channel": CHANNEL, "name": "Sale", "messages": HELLO, "unit": "spring"}
    assert (await rig.ask("POST", "", json=body)).status_code == 409
    other = await rig.draft()
    taken = await rig.ask("PATCH", f"/{other['id']}", json={"unit": "spring"}, headers={"if-match": '"1"'})
    assert taken.status_code == 409


async def test_the_list_goes_from_the_newest_page_by_page(rig: Rig) -> None:
    made = []
    for _ in range(5):
        made.append((await rig.draft())["id"])
        rig.clock.forward(minutes=1)
    await rig.ask("POST", f"/{made[0]}/cancel")
    seen, cursor = [], None
    while True:
        page = (await rig.ask("GET", "", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]
    drafts = (await rig.ask("GET", "", params={"state": "draft"})).json()["items"]
    assert [item["id"] for item in drafts] == made[:0:-1]
    assert (await rig.ask("GET", "", "stranger")).json()["items"] == []
    assert (await rig.ask("GET", "", params={"channel": "other"})).status_code == 404
    assert (await rig.ask("GET", "", params={"cursor": "WzEsMl0"})).status_code == 422


async def test_a_check_tells_whom_it_reaches_what_it_costs_and_what_is_left(rig: Rig) -> None:
    await rig.friends(True, True, False, None, True)
    await rig.control("PUT", "/cafe/quota", {"type": "limited", "value": 10, "used": 9})
    far = {"type": "uri", "label": "Far", "uri": "https://shop.example/" + "a" * 900}
    messages = [{**HELLO[0], "quickReply": {"items": [{"type": "action", "action": far}]}}]
    wanted = {"field": "contact", "in": [contact(n) for n in range(4)]}
    campaign = await rig.draft(messages=messages, expression=wanted)
    answer = await rig.ask("POST", f"/{campaign['id']}/check")
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "audience": {"matched": 4, "skipped": {"never_followed": 1, "blocked": 1}, "recipients": 2, "friends": 3},
        "quota": {"known": True, "limit": 10, "used": 9, "left": 1, "lacks": 1},
        "saved": 1,
        "links": campaign["links"],
        "untracked": [
            {
                "place": "/messages/0/quickReply/items/0/action/uri",
                "url": far["uri"],
                "why": answer.json()["untracked"][0]["why"],
            }
        ],
        "line": "accepted",
    }
    assert (await rig.control("GET", "/accepts", None))["items"] == []


@pytest.mark.parametrize(("fault", "status"), [("400", 422), ("503", 200), ("401", 200)])
async def test_a_check_tells_what_line_says(rig: Rig, fault: str, status: int) -> None:
    campaign = await rig.draft()
    await rig.control("POST", "/faults", {"kind": fault, "api": "validate_multicast"})
    answer = await rig.ask("POST", f"/{campaign['id']}/check")
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["line"] == "no_answer"


async def test_two_starts_at_once_are_one(rig: Rig) -> None:
    await rig.friends(True)
    path = f"/{(await rig.draft())['id']}/start"
    answers = await asyncio.gather(*(rig.ask("POST", path, json={}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    await rig.here.freeze()
    assert rig.broker.states(path.split("/")[1]) == ["draft", "freezing", "running"]


async def test_the_same_start_again_returns_what_it_led_to(rig: Rig) -> None:
    await rig.friends(True)
    campaign = (await rig.draft())["id"]
    headers = {"idempotency-key": "go"}
    at_once = await asyncio.gather(*(rig.ask("POST", f"/{campaign}/start", json={}, headers=headers) for _ in range(4)))
    await rig.here.freeze()
    again = await rig.ask("POST", f"/{campaign}/start", json={}, headers=headers)
    other = await rig.ask("POST", f"/{campaign}/start", json={"over_quota": "send"}, headers=headers)
    assert [answer.status_code for answer in (*at_once, again, other)] == [200, 200, 200, 200, 200, 422]
    assert again.json()["state"] == "running"
    assert rig.broker.states(campaign) == ["draft", "freezing", "running"]


async def test_a_planned_start_shows_its_time_in_its_zone_and_can_be_planned_anew(rig: Rig) -> None:
    campaign = (await rig.draft())["id"]
    at = (rig.clock() + timedelta(days=1)).replace(microsecond=0)
    first = (await rig.ask("POST", f"/{campaign}/start", json={"at": at.isoformat()})).json()
    assert first["state"] == "scheduled"
    assert first["schedule"]["zone"] == "Asia/Taipei"
    assert first["schedule"]["at"].endswith("+08:00")
    later = {"at": (at + timedelta(hours=1)).isoformat(), "zone": "America/New_York"}
    second = (await rig.ask("POST", f"/{campaign}/start", json=later)).json()
    assert second["schedule"]["zone"] == "America/New_York"
    etag = f'"{second["version"]}"'
    edited = await rig.ask("PATCH", f"/{campaign}", json={"messages": [MENU]}, headers={"if-match": etag})
    assert edited.json()["state"] == "scheduled"
    stored = await rig.campaign(campaign)
    assert stored.content[0]["template"]["actions"][0]["uri"].startswith(f"{PUBLIC_URL}/r/")
    assert (await rig.ask("POST", f"/{campaign}/start", json={})).json()["state"] == "freezing"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"at": "2020-01-01T00:00:00+08:00"}, "/at"),
        ({"at": "2030-01-01T00:00:00"}, "/body/at"),
        ({"zone": "Mars/Base"}, "/zone"),
        ({"over_quota": "maybe"}, "/body/over_quota"),
    ],
)
async def test_a_start_that_cannot_be_is_named(rig: Rig, body: dict[str, Any], pointer: str) -> None:
    campaign = (await rig.draft())["id"]
    assert pointers(await rig.ask("POST", f"/{campaign}/start", json=body)) == [pointer]


async def test_a_start_beyond_the_quota_is_refused_unless_it_is_wanted(rig: Rig) -> None:
    await rig.friends(True, True, True)
    await rig.control("PUT", "/cafe/quota", {"type": "limited", "value": 10, "used": 8})
    campaign = (await rig.draft())["id"]
    held = await rig.ask("POST", f"/{campaign}/start", json={})
    assert held.status_code == 409
    assert "3 people and 2 are left" in held.json()["detail"]
    assert (await rig.campaign(campaign)).state == "draft"
    wanted = await rig.ask("POST", f"/{campaign}/start", json={"over_quota": "send"})
    assert wanted.status_code == 200
    await rig.here.freeze()
    assert (await rig.campaign(campaign)).state == "running"


async def test_what_was_started_is_neither_edited_nor_started_again(rig: Rig) -> None:
    await rig.friends(True)
    campaign = await rig.started()
    etag = f'"{(await rig.campaign(campaign)).version}"'
    assert (await rig.ask("PATCH", f"/{campaign}", json={"name": "x"}, headers={"if-match": etag})).status_code == 409
    assert (await rig.ask("POST", f"/{campaign}/start", json={})).status_code == 409


async def test_pause_resume_and_cancel_are_told_once_each_and_cancel_withdraws(rig: Rig) -> None:
    await rig.friends(True, True)
    campaign = await rig.started(chunk_size=1)
    for step in ("pause", "pause", "resume", "resume", "pause", "cancel", "cancel"):
        answer = await rig.ask("POST", f"/{campaign}/{step}")
        assert answer.status_code == 200, answer.text
    states = ["draft", "freezing", "running", "paused", "running", "paused", "cancelled"]
    assert rig.broker.states(campaign) == states
    progress = (await rig.ask("GET", f"/{campaign}/progress")).json()
    assert (progress["state"], progress["cancelled"], progress["pending"]) == ("cancelled", 2, 0)
    for step in ("pause", "resume"):
        assert (await rig.ask("POST", f"/{campaign}/{step}")).status_code == 409
    versions = [fact["version"] for fact in rig.broker.facts(campaign) if fact["type"] == "state_changed"]
    assert versions == sorted(set(versions))


async def test_progress_and_each_person_s_outcome(rig: Rig) -> None:
    await rig.friends(True, True, False, True, None, True)
    campaign = await rig.started(chunk_size=2)
    await rig.accept(campaign, 0)
    progress = (await rig.ask("GET", f"/{campaign}/progress")).json()
    assert (progress["accepted"], progress["pending"]) == (2, 2)
    assert progress["skipped"] == {"blocked": 1, "never_followed": 1}
    assert progress["rate"] > 0
    assert progress["seconds_left"] > 0

    outcomes = {n: (await rig.ask("GET", f"/{campaign}/recipients/{contact(n)}")).json() for n in (0, 2, 3, 4, 99)}
    assert [outcomes[n]["outcome"] for n in outcomes] == [
        "accepted",
        "skipped",
        "pending",
        "skipped",
        "not_in_audience",
    ]
    assert (outcomes[0]["request_id"], outcomes[2]["reason"], outcomes[4]["reason"]) == (
        "req-0",
        "blocked",
        "never_followed",
    )

    everyone, cursor = [], None
    while True:
        query = {"limit": 4, **({"cursor": cursor} if cursor else {})}
        page = (await rig.ask("GET", f"/{campaign}/recipients", params=query)).json()
        everyone += [item["contact"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert everyone == [contact(n) for n in range(6)]
    skipped = (await rig.ask("GET", f"/{campaign}/recipients", params={"outcome": "skipped"})).json()
    assert [item["contact"] for item in skipped["items"]] == [contact(2), contact(4)]
    first = (await rig.ask("GET", f"/{campaign}/recipients", params={"outcome": "skipped", "limit": 1})).json()
    rest = {"outcome": "skipped", "limit": 1, "cursor": first["next_cursor"]}
    assert (await rig.ask("GET", f"/{campaign}/recipients", params=rest)).json()["items"][0]["contact"] == contact(4)


async def test_a_late_chunk_of_a_cancelled_campaign_is_withdrawn_too(rig: Rig) -> None:
    await rig.friends(True, True)
    campaign = (await rig.draft())["id"]
    await rig.ask("POST", f"/{campaign}/start", json={})
    add = rig.here.chunks.add

    async def cancel_and_add(chunk: NewChunk) -> bool:
        await rig.ask("POST", f"/{campaign}/cancel")
        return await add(chunk)

    rig.here.chunks.add = cancel_and_add  # type: ignore[method-assign]
    await rig.here.freeze()
    assert (await rig.here.chunks.counts(campaign)).chunks == {"cancelled": 1}
