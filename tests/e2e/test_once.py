"""Nothing lost, nothing twice: repeats, parallel copies, disorder, every documented event."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.clock import to_millis, utcnow
from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE, REPAIR = "musubi-coffee", "musubi-repair"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "line"


def follow_event(user: str, *, at: int | None = None, unblocked: bool = False) -> dict[str, Any]:
    return {
        "type": "follow",
        "follow": {"isUnblocked": unblocked},
        "webhookEventId": ulid(),
        "deliveryContext": {"isRedelivery": False},
        "timestamp": at or to_millis(utcnow()),
        "source": {"type": "user", "userId": user},
        "replyToken": ulid(),
        "mode": "active",
    }


async def once_greeted(spine: Spine, users: Sequence[str]) -> None:
    async def reached() -> bool:
        return all(count >= 1 for count in (await spine.greetings(users)).values())

    await eventually(reached, seconds=60)
    await spine.until_idle()
    assert set((await spine.greetings(users)).values()) == {1}


async def adopt(spine: Spine, slug: str, events: Sequence[dict[str, Any]]) -> None:
    """Make the reply tokens of hand-made events good at LINE, without delivering them anywhere."""
    await spine.tell("POST", f"/{slug}/events", {"events": list(events), "endpoint": f"{spine.control}/nowhere"})


async def test_ten_events_three_times_in_parallel_to_two_processes_have_each_effect_once(spine: Spine) -> None:
    users = await spine.people(10)
    before = (await spine.report(REPAIR, "friends"))["totals"]["adds"]
    events = [follow_event(user) for user in users]
    await adopt(spine, REPAIR, events)
    answers = await asyncio.gather(*(spine.post(REPAIR, events, replica=n % 2) for n in range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    await once_greeted(spine, users)
    for user in users:
        await spine.until_member(REPAIR, user)

    async def adds() -> int:
        return int((await spine.report(REPAIR, "friends"))["totals"]["adds"] - before)

    await eventually(lambda: _equals(adds, 10))
    await spine.until_idle()
    assert await adds() == 10


async def _equals(read: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await read() == wanted


async def test_disorder_ends_in_the_newest_state_and_the_same_counts(spine: Spine) -> None:
    [user] = await spine.people(1)
    now = to_millis(utcnow())
    follow, block = follow_event(user, at=now - 60_000), follow_event(user, at=now - 30_000)
    block = {name: value for name, value in block.items() if name not in {"follow", "replyToken"}} | {
        "type": "unfollow"
    }
    before = (await spine.report(REPAIR, "friends"))["totals"]
    assert (await spine.post(REPAIR, [block])).status_code == 200
    assert (await spine.post(REPAIR, [follow])).status_code == 200
    await spine.until_idle()
    member = await spine.until_member(REPAIR, user)
    assert member["contacts"][0]["following"] is False
    assert await spine.greetings([user]) == {user: 0}

    async def difference() -> dict[str, int]:
        after = (await spine.report(REPAIR, "friends"))["totals"]
        return {name: after[name] - before[name] for name in ("adds", "blocks", "reach")}

    await eventually(lambda: _equals(difference, {"adds": 1, "blocks": 1, "reach": 0}))


async def test_an_event_of_over_an_hour_ago_is_counted_and_not_answered(spine: Spine) -> None:
    [user] = await spine.people(1)
    old = follow_event(user, at=to_millis(utcnow()) - 2 * 3_600_000)
    assert (await spine.post(COFFEE, [old])).status_code == 200
    member = await spine.until_member(COFFEE, user)
    assert member["contacts"][0]["following"] is True
    await spine.until_idle()
    assert await spine.greetings([user]) == {user: 0}


async def test_a_stale_reply_token_is_pushed_once(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.act(COFFEE, user, "text", text="I am known to LINE")
    await spine.until_member(COFFEE, user)
    assert (await spine.post(COFFEE, [follow_event(user)])).status_code == 200
    await once_greeted(spine, [user])
    [accept] = [entry for entry in await spine.accepts(user=user) if entry["api"] in {"reply", "push"}]
    assert accept["api"] == "push"


async def test_every_documented_event_passes_every_consumer_without_harm(spine: Spine) -> None:
    accounts = (await spine.ask("/accounts"))["items"]
    destination = next(account["destination"] for account in accounts if account["slug"] == COFFEE)
    bodies = [orjson.loads(path.read_bytes()) for path in sorted(FIXTURES.glob("*.json"))]
    events = [event for body in bodies for event in body["events"]]
    assert len(events) > 40
    for event in events:
        event["webhookEventId"] = ulid()
        for place in (event.get("source", {}), event):
            if place.get("userId") == destination:
                del place["userId"]
        assert (await spine.post(COFFEE, [event])).status_code == 200
    await spine.until_idle()
    for service in ("binding", "insights", "ticketing"):
        letters = (await spine.admin("GET", service, "/v1/dlq", params={"limit": 200})).json()["items"]
        ours = {event["webhookEventId"] for event in events}
        assert [letter for letter in letters if letter["event_id"] in ours] == []
    users = {event["source"].get("userId") for event in events if event.get("source", {}).get("type") == "user"}
    for user in users - {None}:
        assert await spine.member(COFFEE, user) is not None
