"""LINE's bad days on switches, and the accept log that tells what was accepted all the same."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import aiohttp
import pytest

from simulator.tests.stand import Stand

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEXT = {"type": "text", "text": "hello"}

REFUSING = [
    ("429_rate", 429, "The API rate limit has been exceeded. Try again later."),
    ("429_quota", 429, "You have reached your monthly limit."),
    ("429_concurrent", 429, None),
    ("429_same_user", 429, None),
    ("500", 500, None),
    ("503", 503, None),
    ("401", 401, None),
    ("400", 400, "Failed to send messages"),
]


@pytest.mark.parametrize(("kind", "status", "message"), REFUSING)
async def test_a_refusing_fault_refuses_as_often_as_asked(
    stand: Stand, kind: str, status: int, message: str | None
) -> None:
    (user,) = await stand.friends()
    await stand.control("POST", "/faults", {"api": "push", "kind": kind, "count": 2})
    answers = [await stand.push(user) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert message is None or answers[0].json["message"] == message
    assert len(await stand.chat(user)) == 1


async def test_the_four_429s_can_be_told_apart_by_their_words(stand: Stand) -> None:
    (user,) = await stand.friends()
    words = set()
    for kind in ("429_rate", "429_quota", "429_concurrent", "429_same_user"):
        await stand.control("POST", "/faults", {"api": "push", "kind": kind, "count": 1})
        words.add((await stand.push(user)).json["message"])
    assert len(words) == 4


async def test_accepted_then_silent_is_a_409_on_retry(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.control("POST", "/faults", {"api": "push", "kind": "accept_then_timeout", "count": 1})
    key = str(uuid.uuid4())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stand.push(user, key=key), 0.2)
    assert (await stand.push(user, key=key)).status == 409
    assert len(await stand.chat(user)) == 1


async def test_content_that_is_cut_off_arrives_by_half(stand: Stand) -> None:
    (user,) = await stand.friends()
    sent = await stand.act(user, "image")
    await stand.control("POST", "/faults", {"api": "content", "kind": "cut_off", "count": 1})
    path = f"/v2/bot/message/{sent['message_id']}/content"
    with pytest.raises(aiohttp.ClientPayloadError):
        await stand.api("GET", path)
    assert (await stand.api("GET", path)).status == 200


async def test_accepted_then_cut_off_is_a_409_on_retry(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.control("POST", "/faults", {"api": "push", "kind": "accept_then_reset", "count": 1})
    key = str(uuid.uuid4())
    with pytest.raises(aiohttp.ClientError):
        await stand.push(user, key=key)
    assert (await stand.push(user, key=key)).status == 409
    assert len(await stand.chat(user)) == 1


async def test_a_malformed_body_comes_with_a_2xx_and_the_effect(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.control("POST", "/faults", {"kind": "malformed_2xx", "count": 1})
    answer = await stand.push(user)
    assert answer.status == 200
    assert b"quoteToken" not in answer.raw
    assert len(await stand.chat(user)) == 1


async def test_a_slow_answer_is_slow_and_right(stand: Stand) -> None:
    (user,) = await stand.friends()
    await stand.control("POST", "/faults", {"api": "push", "kind": "slow", "delay_ms": 250, "channel": "cafe"})
    started = asyncio.get_running_loop().time()
    assert (await stand.push(user)).status == 200
    assert asyncio.get_running_loop().time() - started >= 0.25


async def test_a_probable_fault_is_the_same_for_the_same_seed(stand: Stand) -> None:
    (user,) = await stand.friends()
    rule = {"api": "push", "kind": "500", "probability": 0.5, "seed": 7}
    runs = []
    for _ in range(2):
        await stand.control("DELETE", "/faults")
        await stand.control("POST", "/faults", rule)
        runs.append([(await stand.push(user)).status for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


async def test_faults_are_listed_and_taken_away(stand: Stand) -> None:
    first = await stand.control("POST", "/faults", {"kind": "500"})
    await stand.control("POST", "/faults", {"kind": "503", "channel": "repair"})
    assert len((await stand.control("GET", "/faults"))["items"]) == 2
    left = await stand.control("DELETE", f"/faults/{first['id']}")
    assert [fault["kind"] for fault in left["items"]] == ["503"]
    assert (await stand.api("GET", "/v2/bot/info")).status == 200
    assert (await stand.api("GET", "/v2/bot/info", token="token-repair")).status == 503


@pytest.mark.parametrize("rule", [{"kind": "earthquake"}, {}, {"kind": "500", "count": 0}, {"kind": "500", "x": 1}])
async def test_a_wrong_fault_is_refused_with_the_reason(stand: Stand, rule: dict[str, Any]) -> None:
    answer = await stand.call("POST", "/control/faults", json=rule)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["detail"]


async def test_the_accept_log_holds_every_accepted_call_in_order(stand: Stand) -> None:
    first, second = await stand.friends(2)
    key = str(uuid.uuid4())
    pushed = await stand.push(first, key=key)
    await stand.push(first, {"type": "text"})
    await stand.api("POST", "/v2/bot/message/multicast", {"to": [first, second], "messages": [TEXT, TEXT]})
    await stand.api("POST", f"/v2/bot/user/{second}/richmenu/richmenu-{'1' * 32}")
    await stand.api("DELETE", f"/v2/bot/user/{second}/richmenu")
    log = await stand.control("GET", "/accepts")
    assert [entry["seq"] for entry in log["items"]] == [1, 2, 3, 4]
    assert [entry["api"] for entry in log["items"]] == ["push", "multicast", "link_menu", "unlink_menu"]
    entry = log["items"][0]
    assert entry["request_id"] == pushed.headers["x-line-request-id"]
    assert (entry["retry_key"], entry["channel"], entry["kinds"]) == (key, "cafe", ["text"])
    assert log["items"][1]["kinds"] == ["text", "text"]
    assert log["items"][0]["digest"] != log["items"][1]["digest"]
    assert [item["seq"] for item in (await stand.control("GET", f"/accepts?user={second}&since=2"))["items"]] == [3, 4]
    assert [item["seq"] for item in (await stand.control("GET", "/accepts?api=push"))["items"]] == [1]
    summary = await stand.control("GET", "/accepts/summary")
    assert summary["by_api"]["multicast.delivered"] == 2
    assert summary["replies_per_event_above_one"] == {"count": 0, "first": []}


async def test_the_same_content_twice_to_one_user_is_found(stand: Stand) -> None:
    (user,) = await stand.friends()
    for _ in range(3):
        await stand.push(user)
    (repeat,) = (await stand.control("GET", "/accepts/repeats?channel=cafe"))["items"]
    assert (repeat["user"], repeat["count"]) == (user, 3)


async def test_health_and_metrics_are_served(stand: Stand) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    assert (await stand.call("GET", "/health/live")).status == 200
    assert (await stand.call("GET", "/health/ready")).status == 200
    text = (await stand.call("GET", "/metrics")).raw.decode()
    assert "simulator_webhooks_pending" in {family.name for family in text_string_to_metric_families(text)}
