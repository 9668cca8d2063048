"""What the account's server receives: signatures, shapes, redelivery, duplicates, disorder."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from simulator.line.schema import validator
from simulator.tests.stand import SECRET, Stand
from simulator.webhooks.delivery import sign

pytestmark = pytest.mark.asyncio(loop_scope="session")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


async def test_the_signature_is_lines_own() -> None:
    body = b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}'
    assert sign("8c570fa6dd201bb328f1c1eac23a96d8", body) == "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="


async def test_every_webhook_is_signed_over_its_raw_bytes(stand: Stand) -> None:
    await stand.friends(3)
    await stand.until(lambda: len(stand.receiver.webhooks) == 3)
    for signature, body in stand.receiver.webhooks:
        expected = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
        assert signature == expected
        assert orjson.loads(body)["destination"] == "Uc5f96e75c454fa23d827923c76e6b5d1"


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("text", {"text": "冷氣漏水"}),
    ("sticker", {}),
    ("image", {}),
    ("video", {}),
    ("audio", {}),
    ("file", {}),
    ("location", {"title": "Home"}),
    ("postback", {"data": "a=card.show", "params": {"date": "2026-11-12"}}),
    ("video_complete", {"tracking_id": "promo"}),
    ("beacon", {}),
    ("membership", {}),
    ("unsend", {}),
    ("block", {}),
    ("unblock", {}),
]


async def test_every_event_has_the_shape_line_documents(stand: Stand) -> None:
    (user,) = await stand.friends()
    for name, params in ACTIONS:
        await stand.act(user, name, **params)
    group = await stand.control("POST", "/cafe/groups", {"members": [user], "join": True})
    path = f"/cafe/groups/{group['group_id']}"
    await stand.control("POST", f"{path}/text", {"user": user, "text": "look", "mention": True})
    await stand.control("POST", f"{path}/member_joined", {"members": ["U" + "a" * 32]})
    await stand.control("POST", f"{path}/member_left", {"members": ["U" + "a" * 32]})
    await stand.control("POST", f"{path}/leave", {})
    await stand.dispatcher.quiet(5)
    check: Draft202012Validator = validator("CallbackRequest", "webhook.yml")
    for _, body in stand.receiver.webhooks:
        assert [error.message for error in check.iter_errors(orjson.loads(body))] == []
    kinds = {event["type"] for event in stand.receiver.events}
    assert kinds == {"follow", "unfollow", "message", "postback", "videoPlayComplete", "beacon", "membership",
                     "unsend", "join", "leave", "memberJoined", "memberLeft"}  # fmt: skip
    answerable = {event["type"] for event in stand.receiver.events if "replyToken" in event}
    assert answerable == kinds - {"unfollow", "unsend", "leave", "memberLeft"}
    mention = next(event for event in stand.receiver.events if "mention" in event.get("message", {}))
    assert mention["message"]["mention"]["mentionees"][0]["isSelf"] is True


async def test_the_event_id_is_a_ulid_of_the_events_time(stand: Stand) -> None:
    await stand.friends()
    event = await stand.event("follow")
    millis = 0
    for letter in event["webhookEventId"][:10]:
        millis = millis * 32 + CROCKFORD.index(letter)
    assert len(event["webhookEventId"]) == 26
    assert millis == event["timestamp"]
    assert event["follow"] == {"isUnblocked": False}
    assert event["mode"] == "active"


async def test_a_failed_webhook_comes_again_with_the_same_ids(stand: Stand) -> None:
    stand.receiver.statuses = [503, 500]
    await stand.friends()
    await stand.dispatcher.quiet(5)
    first, *again = stand.receiver.events
    assert [event["deliveryContext"]["isRedelivery"] for event in again] == [True, True]
    for event in again:
        assert {**event, "deliveryContext": first["deliveryContext"]} == first
    facts = await stand.control("GET", "/deliveries")
    assert (facts["sent"], facts["ok"], facts["redelivered"], facts["pending"], facts["abandoned"]) == (3, 1, 2, 0, 0)
    assert facts["by_status"] == {"503": 1, "500": 1, "200": 1}


async def test_a_webhook_never_taken_is_counted_as_abandoned(stand: Stand) -> None:
    stand.receiver.statuses = [500] * 10
    await stand.friends()
    facts = await stand.control("GET", "/deliveries?wait=5")
    assert (facts["sent"], facts["abandoned"], facts["pending"]) == (4, 1, 0)


async def test_no_answer_within_two_seconds_is_a_timeout(stand: Stand) -> None:
    stand.receiver.delay = 2.3
    result = await stand.api("POST", "/v2/bot/channel/webhook/test", {})
    assert result.json["success"] is False
    assert result.json["reason"] == "REQUEST_TIMEOUT"


async def test_the_webhook_test_sends_a_signed_empty_body(stand: Stand) -> None:
    result = (await stand.api("POST", "/v2/bot/channel/webhook/test", {})).json
    assert (result["success"], result["statusCode"], result["reason"]) == (True, 200, "OK")
    assert stand.receiver.events == []
    assert len(stand.receiver.webhooks) == 1


async def test_the_webhook_endpoint_can_be_moved(stand: Stand) -> None:
    before = (await stand.api("GET", "/v2/bot/channel/webhook/endpoint")).json["endpoint"]
    moved = before.replace("/webhook/cafe", "/webhook/elsewhere")
    assert (await stand.api("PUT", "/v2/bot/channel/webhook/endpoint", {"endpoint": moved})).status == 200
    shown = await stand.api("GET", "/v2/bot/channel/webhook/endpoint")
    assert shown.json == {"endpoint": moved, "active": True}
    await stand.api("PUT", "/v2/bot/channel/webhook/endpoint", {"endpoint": before})


async def test_every_nth_webhook_comes_twice_with_the_same_bytes(stand: Stand) -> None:
    await stand.control("PUT", "/faults/webhooks", {"duplicate_every": 10})
    await stand.friends(100)
    facts = await stand.control("GET", "/deliveries?wait=5")
    assert (facts["webhooks"], facts["duplicated"], facts["ok"]) == (100, 10, 110)
    bodies = [body for _, body in stand.receiver.webhooks]
    assert len(set(bodies)) == 100


async def test_a_shuffle_window_changes_the_order_and_loses_nothing(stand: Stand) -> None:
    await stand.control("PUT", "/faults/webhooks", {"shuffle_window": 20})
    await stand.friends(50)
    await stand.control("GET", "/deliveries?wait=5")
    times = [event["webhookEventId"] for event in stand.receiver.events]
    made = list(stand.world.accounts["cafe"].reach)
    assert sorted(event["source"]["userId"] for event in stand.receiver.events) == sorted(made)
    assert [event["source"]["userId"] for event in stand.receiver.events] != made
    assert len(set(times)) == 50


EVENT = {
    "type": "message",
    "message": {"id": "1", "type": "text", "text": "hi", "quoteToken": "q"},
    "webhookEventId": "01M6MKJDBFEWG17X21777FP3CD",
    "deliveryContext": {"isRedelivery": False},
    "timestamp": 1793840461037,
    "replyToken": "a" * 32,
    "mode": "active",
}


async def test_raw_events_are_delivered_as_given_and_their_reply_token_works(stand: Stand) -> None:
    (user,) = await stand.friends()
    event = EVENT | {"source": {"type": "user", "userId": user}}
    sent = await stand.control("POST", "/cafe/events", {"events": [event], "copies": 3})
    assert sent["statuses"] == ["200"] * 3
    received = [body for _, body in stand.receiver.webhooks[-3:]]
    assert received == [orjson.dumps({"destination": "Uc5f96e75c454fa23d827923c76e6b5d1", "events": [event]})] * 3
    body = {"replyToken": "a" * 32, "messages": [{"type": "text", "text": "ok"}]}
    assert (await stand.api("POST", "/v2/bot/message/reply", body)).status == 200
    entry = (await stand.control("GET", "/accepts?api=reply"))["items"][-1]
    assert entry["webhook_event_id"] == event["webhookEventId"]


async def test_raw_events_can_be_badly_signed_redelivered_or_meant_for_others(stand: Stand) -> None:
    asked = {"events": [EVENT], "bad_signature": True, "redelivery": True, "destination": "U" + "0" * 32}
    await stand.control("POST", "/cafe/events", asked)
    signature, body = stand.receiver.webhooks[-1]
    told = orjson.loads(body)
    assert signature != sign(SECRET, body)
    assert told["destination"] == "U" + "0" * 32
    assert told["events"][0]["deliveryContext"]["isRedelivery"] is True


async def test_a_crowd_acts_at_high_speed(stand: Stand) -> None:
    made = await stand.control("POST", "/users", {"count": 100_000, "seed": "crowd"})
    assert made["count"] == 100_000
    bulk = {"actions": [{"do": "follow", "seed": "crowd", "start": 50_000, "count": 2000},
                        {"do": "text", "seed": "crowd", "start": 50_000, "count": 2000, "text": "hi"}],
            "events_per_webhook": 50}  # fmt: skip
    async with asyncio.timeout(20):
        done = await stand.control("POST", "/cafe/bulk", bulk)
        facts = await stand.control("GET", "/deliveries?wait=15")
    assert (done["accepted"], done["refused"], done["events"]) == (4000, 0, 4000)
    assert (facts["webhooks"], facts["ok"], facts["pending"]) == (80, 80, 0)
    again = await stand.control("POST", "/users", {"count": 2, "seed": "crowd", "start": 50_000})
    assert again["user_ids"] == made["user_ids"][50_000:50_002]


async def test_a_crowds_events_can_be_told_by_id(stand: Stand) -> None:
    users = await stand.friends(2)
    actions = [{"do": "text", "users": users, "text": "hi"}, {"do": "block", "user": users[0]}]
    done = await stand.control("POST", "/cafe/bulk", {"actions": actions, "tell_events": True})
    await stand.control("GET", "/deliveries?wait=5")
    told = [(item["user"], item["type"]) for item in done["items"]]
    assert told == [(users[0], "message"), (users[1], "message"), (users[0], "unfollow")]
    sent = {event["webhookEventId"] for event in stand.receiver.events}
    assert {item["webhook_event_id"] for item in done["items"]} <= sent
