"""The conversation desk, from the customer's phone to staff and back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest

from shared.clock import to_millis, utcnow
from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"
HOUR_MS = 3_600_000


def message_event(
    user: str, message: dict[str, Any], *, at: int | None = None, kind: str = "message"
) -> dict[str, Any]:
    return {
        "type": kind,
        "message": {"id": str(int(ulid()[-12:], 36)), **message},
        "webhookEventId": ulid(),
        "deliveryContext": {"isRedelivery": False},
        "timestamp": at or to_millis(utcnow()),
        "source": {"type": "user", "userId": user},
        "replyToken": ulid(),
        "mode": "active",
    }


def text_event(user: str, text: str, *, at: int | None = None) -> dict[str, Any]:
    return message_event(user, {"type": "text", "text": text}, at=at)


def unsend_event(user: str, message_id: str) -> dict[str, Any]:
    event = message_event(user, {}, kind="unsend") | {"unsend": {"messageId": message_id}}
    return {name: value for name, value in event.items() if name not in {"message", "replyToken"}}


async def deliver(spine: Spine, *events: dict[str, Any], **more: Any) -> None:
    """Let LINE deliver these events as they are; their reply tokens are good."""
    await spine.tell("POST", f"/{COFFEE}/events", {"events": list(events), **more})


def path_of(user: str, rest: str = "") -> str:
    return f"/v1/conversations/{COFFEE}:{user}{rest}"


async def desk(spine: Spine, method: str, path: str, **more: Any) -> httpx.Response:
    return await spine.admin(method, "ticketing", path, **more)


async def conversation(spine: Spine, user: str, **wanted: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A user's conversation once it reads as wanted, and the headers that edit it."""

    async def there() -> httpx.Response | None:
        answer = await desk(spine, "GET", path_of(user))
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return answer if all(found[name] == value for name, value in wanted.items()) else None

    answer = await eventually(there, seconds=60)
    return answer.json(), {"if-match": answer.headers["etag"]}


async def thread(spine: Spine, user: str, count: int) -> list[dict[str, Any]]:
    """A user's thread, oldest first, once it has so many entries."""

    async def whole() -> list[dict[str, Any]] | None:
        answer = await desk(spine, "GET", path_of(user, "/messages"))
        items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
        return items if len(items) >= count else None

    found: list[dict[str, Any]] = await eventually(whole, seconds=60)
    assert len(found) == count
    return found[::-1]


async def answers(spine: Spine, user: str) -> list[dict[str, Any]]:
    return [entry for entry in await spine.accepts(user=user) if entry["api"] in {"reply", "push"}]


RULES: dict[str, dict[str, Any]] = {
    "offer-unbound": {"keywords": ["Latest offer"], "audience": "unbound", "says": "join us first"},
    "offer-bound": {"keywords": ["Latest offer"], "audience": "bound", "says": "for members: 20 % off"},
    "hours": {"keywords": ["opening hours"], "says": "nine to six"},
}


@pytest.fixture
async def rules(spine: Spine) -> None:
    """The account's automatic answers, known to every process: the desk promises that after two seconds."""
    made = [await _put_rule(spine, name, dict(rule)) for name, rule in RULES.items()]
    if any(made):
        await asyncio.sleep(2)


async def _put_rule(spine: Spine, name: str, rule: dict[str, Any]) -> bool:
    body = {"messages": [{"type": "text", "text": rule.pop("says")}], **rule}
    put = await desk(spine, "PUT", f"/v1/auto-replies/{COFFEE}/{name}", json=body)
    assert put.status_code in {200, 428}, put.text
    return put.status_code == 200


async def answered(spine: Spine, user: str, count: int) -> list[dict[str, Any]]:
    """The answers a user got, once everything is quiet."""

    async def enough() -> bool:
        return len(await answers(spine, user)) >= count

    await eventually(enough, seconds=60)
    await spine.until_idle()
    found = await answers(spine, user)
    assert len(found) == count
    return found


@pytest.mark.usefixtures("rules")
async def test_a_keyword_is_answered_otherwise_before_and_after_binding(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "text", text="  latest OFFER ")
    await answered(spine, user, 1)
    member = await spine.until_member(COFFEE, user)
    key = f"/v1/members/{member['id']}/keys/customer"
    assert (await spine.admin("PUT", "binding", key, json={"value": f"desk-{user[:8]}"})).status_code == 200

    async def known_as_bound() -> bool:
        person = (await conversation(spine, user))[0]["person"]
        return bool(person["bound"])

    await eventually(known_as_bound, seconds=60)
    await spine.act(COFFEE, user, "text", text="Latest offer")
    assert [entry["api"] for entry in await answered(spine, user, 2)] == ["reply", "reply"]
    entries = await thread(spine, user, 4)
    assert [entry["direction"] for entry in entries] == ["in", "out", "in", "out"]
    told = [entry for entry in entries if entry["direction"] == "out"]
    assert [entry["messages"][0]["text"] for entry in told] == ["join us first", "for members: 20 % off"]
    assert {entry["delivery"]["state"] for entry in told} == {"accepted"}


@pytest.mark.usefixtures("rules")
async def test_the_same_webhook_event_thrice_is_one_message_and_one_answer(spine: Spine) -> None:
    [user] = await spine.people(1)
    await deliver(spine, text_event(user, "opening hours"), copies=3, parallel=True)
    await answered(spine, user, 1)
    assert [entry["direction"] for entry in await thread(spine, user, 2)] == ["in", "out"]
    assert (await conversation(spine, user))[0]["unread"] == 1


@pytest.mark.usefixtures("rules")
async def test_what_is_old_or_in_standby_is_kept_for_a_person_and_not_answered(spine: Spine) -> None:
    [user] = await spine.people(1)
    old = text_event(user, "opening hours", at=to_millis(utcnow()) - 2 * HOUR_MS)
    standby = {name: value for name, value in text_event(user, "opening hours").items() if name != "replyToken"}
    await deliver(spine, old, standby | {"mode": "standby"})
    await conversation(spine, user, unread=2, state="open")
    await spine.until_idle()
    assert await answers(spine, user) == []


async def test_two_messages_at_once_from_a_new_contact_are_one_conversation(spine: Spine) -> None:
    [user] = await spine.people(1)
    first, second = text_event(user, "one"), text_event(user, "two")
    for copy in await asyncio.gather(spine.post(COFFEE, [first]), spine.post(COFFEE, [second], replica=1)):
        assert copy.status_code == 200
    found, _ = await conversation(spine, user, unread=2)
    assert (found["opening"], found["state"]) == (1, "open")
    assert {entry["text"] for entry in await thread(spine, user, 2)} == {"one", "two"}


async def test_every_kind_of_message_is_kept_in_line_s_order_of_time(spine: Spine) -> None:
    [user] = await spine.people(1)
    now = to_millis(utcnow())
    kinds: list[dict[str, Any]] = [
        {"type": "text", "text": "hello", "quoteToken": "q"},
        {"type": "image", "contentProvider": {"type": "external", "originalContentUrl": "https://x.test/a.jpg"}},
        {"type": "video", "contentProvider": {"type": "external", "originalContentUrl": "https://x.test/a.mp4"}},
        {"type": "audio", "contentProvider": {"type": "external"}, "duration": 1200},
        {"type": "file", "fileName": "warranty.pdf", "fileSize": 183204},
        {"type": "location", "title": "here", "latitude": 25.03, "longitude": 121.56},
        {"type": "sticker", "packageId": "446", "stickerId": "1988", "stickerResourceType": "STATIC"},
        {"type": "hologram", "depth": 3},
    ]
    events = [message_event(user, kind, at=now - 1000 * place) for place, kind in enumerate(kinds)]
    await deliver(spine, *events)
    entries = await thread(spine, user, len(kinds))
    assert [entry["kind"] for entry in entries] == [kind["type"] for kind in kinds][::-1]
    by_kind = {entry["kind"]: entry for entry in entries}
    assert by_kind["hologram"]["payload"] == {"depth": 3}
    assert by_kind["file"]["payload"] == {"fileName": "warranty.pdf", "fileSize": 183204}
    assert (by_kind["text"]["text"], by_kind["text"]["payload"]) == ("hello", {})


async def test_an_edit_shows_the_new_text_and_keeps_the_earlier_ones_whatever_comes_first(spine: Spine) -> None:
    [user] = await spine.people(1)
    now = to_millis(utcnow())
    sent = text_event(user, "tomorow", at=now - 3000)
    edits = [
        text_event(user, text, at=now - ago) | {"type": "messageEdited", "message": {**sent["message"], "text": text}}
        for text, ago in (("the day after", 1000), ("tomorrow", 2000))
    ]
    for event in (*edits, sent):
        assert (await spine.post(COFFEE, [event])).status_code == 200
    await conversation(spine, user, unread=1)
    [entry] = await thread(spine, user, 1)
    assert entry["text"] == "the day after"
    assert [version["text"] for version in entry["earlier"]] == ["tomorow", "tomorrow"]
    assert entry["edited_at"] is not None


async def test_an_unsent_message_leaves_an_empty_stub_whatever_comes_first(spine: Spine) -> None:
    [user] = await spine.people(1)
    kept, early, late = text_event(user, "kept"), text_event(user, "secret one"), text_event(user, "secret two")
    unsends = [unsend_event(user, event["message"]["id"]) for event in (early, late)]
    for event in (kept, unsends[0], early, late, unsends[1]):
        assert (await spine.post(COFFEE, [event])).status_code == 200

    async def both_gone() -> bool:
        answer = await desk(spine, "GET", path_of(user, "/messages"))
        return answer.status_code == 200 and sum(bool(entry["unsent_at"]) for entry in answer.json()["items"]) == 2

    await eventually(both_gone, seconds=60)
    await conversation(spine, user, unread=3)
    entries = await thread(spine, user, 3)
    assert "secret" not in orjson.dumps(entries).decode()
    assert sorted((entry["kind"], entry["text"]) for entry in entries if entry["text"] is None) == [("text", None)] * 2


async def test_staff_answer_once_for_one_key_by_the_reply_token_while_it_is_fresh(spine: Spine) -> None:
    [user] = await spine.people(1)
    await deliver(spine, text_event(user, "is anybody there?"))
    await conversation(spine, user, unread=1)
    key = {"idempotency-key": ulid()}
    body = {"text": "yes, how can we help?"}
    sent = [await desk(spine, "POST", path_of(user, "/replies"), headers=key, json=body) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [202, 202]
    assert sent[0].json()["id"] == sent[1].json()["id"]
    other = await desk(spine, "POST", path_of(user, "/replies"), headers=key, json={"text": "something else"})
    assert other.status_code == 422
    [accept] = await answered(spine, user, 1)
    assert accept["api"] == "reply"
    [_, entry] = await thread(spine, user, 2)
    assert (entry["kind"], entry["delivery"]["state"], entry["delivery"]["api"]) == ("reply", "accepted", "reply")
    found, _ = await conversation(spine, user)
    assert found["first_response_at"] is not None
    pushed = await desk(spine, "POST", path_of(user, "/replies"), headers={"idempotency-key": ulid()}, json=body)
    assert pushed.status_code == 202
    assert [entry["api"] for entry in await answered(spine, user, 2)] == ["reply", "push"]


async def test_edits_by_staff_need_the_version_they_were_made_for(spine: Spine) -> None:
    [user] = await spine.people(1)
    await deliver(spine, text_event(user, "hello"))
    _, etag = await conversation(spine, user, unread=1)
    assert (await desk(spine, "PATCH", path_of(user), json={"assignee": "kim"})).status_code == 428
    patched = await desk(spine, "PATCH", path_of(user), json={"assignee": "kim", "priority": "high"}, headers=etag)
    assert (patched.status_code, patched.json()["assignee"]) == (200, "kim")
    assert (await desk(spine, "PATCH", path_of(user), json={"assignee": "lee"}, headers=etag)).status_code == 412
    mine = await desk(spine, "GET", "/v1/conversations", params={"channel": COFFEE, "assignee": "kim", "unread": True})
    assert f"{COFFEE}:{user}" in [item["id"] for item in mine.json()["items"]]
    read = await desk(spine, "POST", path_of(user, "/read"))
    assert read.json()["unread"] == 0


async def test_after_resolving_thanks_stay_silent_a_question_opens_again_and_one_thread_goes_on(spine: Spine) -> None:
    [user] = await spine.people(1)
    await deliver(spine, text_event(user, "hello"))
    _, etag = await conversation(spine, user, unread=1)
    resolved = await desk(spine, "PATCH", path_of(user), json={"state": "resolved"}, headers=etag)
    assert resolved.json()["state"] == "resolved"
    await deliver(spine, text_event(user, "謝謝!"))
    await thread(spine, user, 2)
    await conversation(spine, user, state="resolved", unread=0)
    await deliver(spine, text_event(user, "one more thing"))
    found, etag = await conversation(spine, user, state="open")
    assert found["opening"] == 1
    note = await desk(spine, "POST", path_of(user, "/notes"), json={"text": "called back"})
    assert note.status_code == 201
    await thread(spine, user, 4)


async def test_erasing_the_person_empties_the_desk(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "add")
    await spine.act(COFFEE, user, "text", text="forget me")
    await conversation(spine, user, unread=1)
    entries = await thread(spine, user, 2)
    assert ("system", "greeting") in {(entry["direction"], entry["kind"]) for entry in entries}
    member = await spine.until_member(COFFEE, user)
    assert (await spine.admin("DELETE", "binding", f"/v1/members/{member['id']}")).status_code == 204

    async def gone() -> bool:
        return (await desk(spine, "GET", path_of(user))).status_code == 404

    await eventually(gone, seconds=60)
    await deliver(spine, text_event(user, "it is me again"))
    found, _ = await conversation(spine, user, unread=1)
    assert found["opening"] == 1
    assert [entry["text"] for entry in await thread(spine, user, 1)] == ["it is me again"]
