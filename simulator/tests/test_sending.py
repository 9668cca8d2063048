"""Reply tokens, retry keys, blocked users, quota, rate limits: whom a message reaches and what it counts."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from simulator.tests.stand import Stand
from simulator.world.limits import line_day

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEXT = {"type": "text", "text": "hello"}


async def reply(stand: Stand, token: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    body = {"replyToken": token, "messages": [TEXT]}
    answer = await stand.api("POST", "/v2/bot/message/reply", body, headers)
    return answer.status, answer.json.get("message", "")


async def reply_token(stand: Stand) -> str:
    (user,) = await stand.friends()
    stand.receiver.webhooks.clear()
    await stand.act(user, "text", text="hi")
    return str((await stand.event("message"))["replyToken"])


async def test_a_reply_token_works_once(stand: Stand) -> None:
    token = await reply_token(stand)
    assert await reply(stand, token) == (200, "")
    assert await reply(stand, token) == (400, "Invalid reply token")


async def test_a_reply_token_dies_after_a_minute(stand: Stand) -> None:
    token = await reply_token(stand)
    stand.clock.offset = 61
    assert await reply(stand, token) == (400, "Invalid reply token")


async def test_a_redelivery_gives_the_reply_token_another_minute_but_not_past_twenty(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.control("PUT", "/deliveries/redelivery", {"schedule": [0.3] * 8})
    stand.receiver.statuses = [500, 500]
    await stand.act(user, "text", text="hi")
    token = str((await stand.event("message"))["replyToken"])
    stand.clock.offset = 300
    await stand.dispatcher.quiet(5)
    assert [event["deliveryContext"]["isRedelivery"] for event in stand.receiver.events[-3:]] == [False, True, True]
    assert (await reply(stand, token))[0] == 200
    second = await reply_token(stand)
    stand.clock.offset += 1201
    stand.world.reply_tokens.sent(second)
    assert (await reply(stand, second))[0] == 400


async def test_a_reply_with_a_retry_key_is_refused_and_keeps_the_token(stand: Stand) -> None:
    token = await reply_token(stand)
    assert (await reply(stand, token, {"x-line-retry-key": str(uuid.uuid4())}))[0] == 400
    assert (await reply(stand, token))[0] == 200


async def test_a_reply_token_of_one_account_is_none_of_anothers(stand: Stand) -> None:
    token = await reply_token(stand)
    body = {"replyToken": token, "messages": [TEXT]}
    answer = await stand.api("POST", "/v2/bot/message/reply", body, token="token-repair")
    assert answer.json["message"] == "Invalid reply token"


async def test_a_repeated_retry_key_is_answered_409_with_the_first_acceptance(stand: Stand) -> None:
    (user,) = await stand.friends()
    key = str(uuid.uuid4())
    first = await stand.push(user, key=key)
    again = await stand.push(user, key=key.upper())
    assert (first.status, again.status) == (200, 409)
    assert again.json["message"] == "The retry key is already accepted"
    assert again.json["sentMessages"] == first.json["sentMessages"]
    assert again.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    assert again.headers["x-line-request-id"] != first.headers["x-line-request-id"]
    assert len(await stand.chat(user)) == 1


async def test_a_retry_key_is_forgotten_after_a_day_and_must_be_a_uuid(stand: Stand) -> None:
    (user,) = await stand.friends()
    key = str(uuid.uuid4())
    await stand.push(user, key=key)
    stand.clock.offset = 24 * 3600 + 1
    assert (await stand.push(user, key=key)).status == 200
    assert (await stand.push(user, key="tuesday")).status == 400
    summary = await stand.control("GET", "/accepts/summary")
    assert summary["accepts_per_retry_key_above_one"]["first"] == [f"cafe:{key}"]


async def test_a_refused_call_leaves_its_retry_key_free(stand: Stand) -> None:
    (user,) = await stand.friends()
    key = str(uuid.uuid4())
    assert (await stand.push(user, {"type": "text"}, key=key)).status == 400
    assert (await stand.push(user, key=key)).status == 200


@pytest.mark.parametrize("path", ["multicast", "broadcast", "narrowcast"])
async def test_every_send_but_reply_takes_a_retry_key(stand: Stand, path: str) -> None:
    users = await stand.friends(3)
    body: dict[str, Any] = {"messages": [TEXT]} | ({"to": users} if path == "multicast" else {})
    headers = {"x-line-retry-key": str(uuid.uuid4())}
    first = await stand.api("POST", f"/v2/bot/message/{path}", body, headers)
    again = await stand.api("POST", f"/v2/bot/message/{path}", body, headers)
    assert (first.status, again.status) == (202 if path == "narrowcast" else 200, 409)
    assert "sentMessages" not in again.json


async def test_blocked_users_and_strangers_swallow_messages_uncounted(stand: Stand) -> None:
    blocked, friend = await stand.friends(2)
    stranger = (await stand.control("POST", "/users", {"name": "Stranger"}))["user_ids"][0]
    await stand.act(blocked, "block")
    assert (await stand.push(blocked)).status == 200
    assert (await stand.push(stranger)).status == 200
    multicast = {"to": [blocked, friend, stranger], "messages": [TEXT]}
    assert (await stand.api("POST", "/v2/bot/message/multicast", multicast)).json == {}
    assert await stand.chat(blocked) == []
    assert [line["message"] for line in await stand.chat(friend)] == [TEXT]
    used = await stand.api("GET", "/v2/bot/message/quota/consumption")
    assert used.json == {"totalUsage": 1}
    last = (await stand.control("GET", "/accepts"))["items"][-1]
    assert (last["to"], last["delivered_to"]) == ([blocked, friend, stranger], [friend])


async def test_a_stranger_who_wrote_within_a_week_can_be_pushed_to(stand: Stand) -> None:
    stranger = (await stand.control("POST", "/users", {"name": "Stranger"}))["user_ids"][0]
    await stand.act(stranger, "text", text="a question")
    await stand.push(stranger)
    stand.clock.offset = 7 * 86400 + 1
    await stand.push(stranger)
    assert [line["from"] for line in await stand.chat(stranger)] == [stranger, "bot"]


async def test_an_unknown_id_stops_the_whole_multicast(stand: Stand) -> None:
    users = await stand.friends(2)
    body = {"to": [*users, "U" + "e" * 32], "messages": [TEXT]}
    answer = await stand.api("POST", "/v2/bot/message/multicast", body)
    assert answer.status == 400
    assert await stand.chat(users[0]) == []


async def test_the_monthly_quota_counts_people_and_ends_with_lines_words(stand: Stand) -> None:
    users = await stand.friends(3)
    await stand.control("PUT", "/cafe/quota", {"type": "limited", "value": 3})
    assert (await stand.api("GET", "/v2/bot/message/quota")).json == {"type": "limited", "value": 3}
    await stand.push(users[0], TEXT, TEXT)
    refused = await stand.api("POST", "/v2/bot/message/multicast", {"to": users, "messages": [TEXT]})
    assert (refused.status, refused.json) == (429, {"message": "You have reached your monthly limit."})
    assert (await stand.api("GET", "/v2/bot/message/quota/consumption")).json == {"totalUsage": 1}
    token = await reply_token(stand)
    assert (await reply(stand, token))[0] == 200


async def test_multicast_is_limited_to_200_a_second_unless_switched_off(stand: Stand) -> None:
    users = await stand.friends(1)
    body = {"to": users, "messages": [TEXT]}
    await stand.control("PUT", "/limits", {"factor": 0.05})
    calls = [stand.api("POST", "/v2/bot/message/multicast", body) for _ in range(30)]
    answers = await asyncio.gather(*calls)
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) > 10
    assert refused[0].json == {"message": "The API rate limit has been exceeded. Try again later."}
    await stand.control("PUT", "/limits", {"factor": 0})
    calls = [stand.api("POST", "/v2/bot/message/multicast", body) for _ in range(30)]
    assert {answer.status for answer in await asyncio.gather(*calls)} == {200}


async def test_the_1001st_unit_name_of_a_month_is_silently_not_assigned(stand: Stand) -> None:
    (user,) = await stand.friends()
    for number in range(1000):
        stand.world.accounts["cafe"].units.assign(f"unit_{number}", 1)
    body = {"to": user, "messages": [TEXT], "customAggregationUnits": ["one_too_many"]}
    assert (await stand.api("POST", "/v2/bot/message/push", body)).status == 200
    info = await stand.api("GET", "/v2/bot/message/aggregation/info")
    assert info.json == {"numOfCustomAggregationUnits": 1000}
    page = await stand.api("GET", "/v2/bot/message/aggregation/list?limit=100&start=900")
    assert page.json["customAggregationUnits"][-1] == "unit_999"
    assert "next" not in page.json


async def test_a_narrowcast_goes_through_its_phases_to_an_audience(stand: Stand) -> None:
    users = await stand.friends(5)
    upload = {"description": "Regulars", "audiences": [{"id": user} for user in users[:2]]}
    audience = (await stand.api("POST", "/v2/bot/audienceGroup/upload", upload)).json["audienceGroupId"]
    body = {"messages": [TEXT], "recipient": {"type": "audience", "audienceGroupId": audience}}
    sent = await stand.api("POST", "/v2/bot/message/narrowcast", body)
    assert sent.status == 202
    path = f"/v2/bot/message/progress/narrowcast?requestId={sent.headers['x-line-request-id']}"
    phases = [(await stand.api("GET", path)).json]
    async with asyncio.timeout(5):
        while phases[-1]["phase"] != "succeeded":
            phases.append((await stand.api("GET", path)).json)
    assert phases[0]["phase"] == "waiting"
    assert "targetCount" not in phases[0]
    assert (phases[-1]["successCount"], phases[-1]["targetCount"]) == (2, 2)
    assert [len(await stand.chat(user)) for user in users] == [1, 1, 0, 0, 0]


async def test_a_broadcast_reaches_every_friend(stand: Stand) -> None:
    users = await stand.friends(3)
    await stand.act(users[0], "block")
    assert (await stand.api("POST", "/v2/bot/message/broadcast", {"messages": [TEXT]})).json == {}
    assert [len(await stand.chat(user)) for user in users] == [0, 1, 1]


async def test_sent_counts_and_followers_are_ready_the_next_day(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.push(user)
    today = line_day(stand.clock())
    path = f"/v2/bot/message/delivery/push?date={today}"
    assert (await stand.api("GET", path)).json == {"status": "unready"}
    unready = await stand.api("GET", f"/v2/bot/insight/followers?date={today}")
    assert unready.json == {"status": "unready", "followers": None, "targetedReaches": None, "blocks": None}
    stand.clock.offset = 86400
    assert (await stand.api("GET", path)).json == {"status": "ready", "success": 1}
    ready = await stand.api("GET", f"/v2/bot/insight/followers?date={today}")
    assert ready.json == {"status": "ready", "followers": 1, "targetedReaches": 1, "blocks": 0}
