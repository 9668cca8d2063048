"""Sending: retry keys, the same bytes, the reply rule, what is refused before any call."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from shared.clock import monotonic
from shared.ids import stable_uuid
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, QuotaExhausted, RateLimited, Rejected, SentMessage, Unauthorised, Unknown
from shared.line.prepared import PreparedCall, prepare_broadcast, prepare_multicast, prepare_narrowcast, prepare_push
from shared.line.transport import Patience

USER = "U" + "a" * 32
HELLO = [{"type": "text", "text": "你好 🍎 “quoted” \u2028"}]
USED_TOKEN = {"message": "Invalid reply token"}


async def test_every_kind_of_send_goes_to_its_endpoint_under_its_retry_key(line: LineClient, fake_line: Any) -> None:
    await line.sending.push("north", USER, HELLO, sent_id="a", unit="cmp_1")
    await line.sending.multicast("south", [USER, USER], HELLO, sent_id="b")
    await line.sending.narrowcast(
        "north",
        HELLO,
        sent_id="c",
        recipient={"type": "audience", "audienceGroupId": 7},
        demographic={"type": "gender", "oneOf": ["female"]},
        limit={"max": 10},
    )
    await line.sending.broadcast("north", HELLO, sent_id="d")
    assert [got.path for got in fake_line.got] == [
        f"/v2/bot/message/{api}" for api in ("push", "multicast", "narrowcast", "broadcast")
    ]
    keys = [got.headers["x-line-retry-key"] for got in fake_line.got]
    assert keys == [str(stable_uuid("line", each)) for each in "abcd"]
    assert all(uuid.UUID(key) for key in keys)
    assert [got.headers["authorization"] for got in fake_line.got[:2]] == [
        "Bearer token-of-north",
        "Bearer token-of-south",
    ]
    push, multicast, narrowcast, broadcast = (got.json() for got in fake_line.got)
    assert push == {"to": USER, "messages": HELLO, "customAggregationUnits": ["cmp_1"]}
    assert multicast == {"to": [USER, USER], "messages": HELLO}
    assert narrowcast["filter"] == {"demographic": {"type": "gender", "oneOf": ["female"]}}
    assert narrowcast["recipient"] == {"type": "audience", "audienceGroupId": 7}
    assert narrowcast["limit"] == {"max": 10}
    assert broadcast == {"messages": HELLO}


async def test_a_silent_send_says_so(line: LineClient, fake_line: Any) -> None:
    await line.sending.send(prepare_broadcast("north", HELLO, sent_id="a", notification_disabled=True))
    assert fake_line.got[0].json()["notificationDisabled"] is True


async def test_accepted_then_no_answer_then_409_is_accepted_once(hasty: LineClient, fake_line: Any, reply: Any) -> None:
    already = {"message": "The retry key is already accepted", "sentMessages": [{"id": "9", "quoteToken": "q"}]}
    fake_line.answers(reply(kind="hang"), reply(409, already, x_line_accepted_request_id="req-0"))
    outcome = await hasty.sending.push("north", USER, HELLO, sent_id="a")
    assert outcome == Accepted("req-0", (SentMessage("9", "q"),), duplicate=True)


async def test_409_without_a_record_of_ours_is_accepted(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(409, b"", x_line_accepted_request_id="req-0"))
    outcome = await line.sending.multicast("north", [USER], HELLO, sent_id="a")
    assert outcome == Accepted("req-0", duplicate=True)


async def test_409_where_no_retry_key_was_sent_is_refused(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(409))
    assert isinstance(await line.menus.unlink("north", USER), Rejected)


@pytest.mark.parametrize("first", ["hang", "reset", "500"])
async def test_a_retry_sends_the_same_bytes_under_the_same_key(
    hasty: LineClient, fake_line: Any, reply: Any, first: str
) -> None:
    fake_line.answers(reply(500) if first == "500" else reply(kind=first), reply())
    assert isinstance(await hasty.sending.push("north", USER, HELLO, sent_id="a"), Accepted)
    one, two = fake_line.got
    assert one.body == two.body
    assert one.headers["x-line-retry-key"] == two.headers["x-line-retry-key"]
    assert one.json()["messages"] == HELLO


async def test_a_call_rebuilt_after_a_restart_sends_the_same_bytes(line: LineClient, fake_line: Any) -> None:
    prepared = prepare_multicast("north", [USER], HELLO, sent_id="chunk-1", unit="cmp_1")
    await line.sending.send(prepared)
    stored = {"api": prepared.api, "channel": prepared.channel, "key": prepared.retry_key, "body": prepared.body}
    rebuilt = PreparedCall("multicast", "north", str(stored["key"]), bytes(prepared.body))
    await line.sending.send(rebuilt)
    assert fake_line.got[0].body == fake_line.got[1].body
    assert fake_line.got[0].headers["x-line-retry-key"] == fake_line.got[1].headers["x-line-retry-key"]


def test_what_is_prepared_shows_no_content() -> None:
    assert USER not in repr(prepare_push("north", USER, HELLO, sent_id="a"))


@pytest.mark.parametrize(("hours", "sent"), [(0.0, True), (23.5, True), (23.95, False), (24.0, False), (100.0, False)])
async def test_after_24_hours_an_unknown_send_is_not_sent_again(
    line: LineClient, fake_line: Any, clock: Any, hours: float, sent: bool
) -> None:
    first = clock.now
    clock.forward(hours=hours)
    outcome = await line.sending.send(prepare_push("north", USER, HELLO, sent_id="a"), first_attempt_at=first)
    assert len(fake_line.got) == (1 if sent else 0)
    assert sent or outcome == Unknown("retry_key_expired", may_have_been_accepted=True)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (429, "The API rate limit has been exceeded.", RateLimited("req-1", may_have_been_accepted=True)),
        (429, "You have reached your monthly limit.", QuotaExhausted("req-1", may_have_been_accepted=True)),
        (401, "invalid token", Unauthorised("req-1", may_have_been_accepted=True)),
    ],
)
async def test_a_refusal_after_an_attempt_without_answer_keeps_the_doubt(
    hasty: LineClient, fake_line: Any, reply: Any, status: int, message: str, expected: Any
) -> None:
    fake_line.answers(reply(kind="hang"), reply(status, {"message": message}))
    assert await hasty.sending.push("north", USER, HELLO, sent_id="a") == expected


async def test_rate_limits_and_refusals_are_not_retried_by_the_client(
    line: LineClient, fake_line: Any, reply: Any
) -> None:
    fake_line.answers(reply(429, {"message": "The API rate limit has been exceeded."}))
    await line.sending.push("north", USER, HELLO, sent_id="a")
    assert len(fake_line.got) == 1


@pytest.mark.parametrize("count", [0, 501])
async def test_multicast_takes_1_to_500_users(line: LineClient, fake_line: Any, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 500"):
        await line.sending.multicast("north", [USER] * count, HELLO, sent_id="a")
    assert fake_line.got == []


async def test_multicast_takes_500(line: LineClient, fake_line: Any) -> None:
    await line.sending.multicast("north", [f"U{n:032x}" for n in range(500)], HELLO, sent_id="a")
    assert len(fake_line.got[0].json()["to"]) == 500


@pytest.mark.parametrize("count", [0, 6])
def test_a_send_takes_1_to_5_messages(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        prepare_narrowcast("north", HELLO * count, sent_id="a")


@pytest.mark.parametrize("unit", ["", "x" * 31, "spring-sale", "春"])
def test_a_units_name_is_checked(unit: str) -> None:
    with pytest.raises(ValueError, match="aggregation unit"):
        prepare_push("north", USER, HELLO, sent_id="a", unit=unit)


async def test_an_unknown_channel_is_a_bug(line: LineClient) -> None:
    with pytest.raises(KeyError):
        await line.sending.push("nowhere", USER, HELLO, sent_id="a")


async def test_a_gate_paces_every_attempt_and_may_end_them(line: LineClient, fake_line: Any, reply: Any) -> None:
    asked: list[int] = []

    async def gate(number: int) -> bool:
        asked.append(number)
        return number < 2

    fake_line.answers(reply(500))
    prepared = prepare_push("north", USER, HELLO, sent_id="a")
    outcome = await line.sending.send(prepared, gate=gate, patience=Patience(attempts=9, backoff=0.001))
    assert outcome == Unknown("server_error", may_have_been_accepted=True, request_id="req-1")
    assert (asked, len(fake_line.got)) == ([0, 1, 2], 2)


async def test_a_closed_gate_makes_no_call(line: LineClient, fake_line: Any) -> None:
    async def gate(number: int) -> bool:
        return False

    outcome = await line.sending.send(prepare_push("north", USER, HELLO, sent_id="a"), gate=gate)
    assert outcome == Unknown("held_back", may_have_been_accepted=False)
    assert fake_line.got == []


async def test_attempts_end_when_the_calls_time_is_over(line: LineClient, fake_line: Any, reply: Any) -> None:
    fake_line.answers(reply(kind="hang"))
    started = monotonic()
    patience = Patience(attempts=100, within=0.4, attempt=0.15, backoff=0.01, most_backoff=0.01)
    outcome = await line.sending.send(prepare_push("north", USER, HELLO, sent_id="a"), patience=patience)
    assert isinstance(outcome, Unknown)
    assert monotonic() - started < 1.0
    assert 2 <= len(fake_line.got) <= 4


def test_pauses_double_with_jitter_up_to_a_limit() -> None:
    patience = Patience(backoff=1.0, most_backoff=4.0)
    for number, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (9, 4.0)):
        pauses = {patience.pause(number) for _ in range(50)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(pauses) > 1


async def test_a_reply_carries_no_retry_key(line: LineClient, fake_line: Any, clock: Any) -> None:
    outcome = await line.sending.reply("north", "token", HELLO, received_at=clock.now)
    assert outcome == Accepted("req-1")
    (got,) = fake_line.got
    assert got.path == "/v2/bot/message/reply"
    assert "x-line-retry-key" not in got.headers
    assert got.json() == {"replyToken": "token", "messages": HELLO}


async def test_a_first_reply_refused_for_its_token_was_not_delivered(
    line: LineClient, fake_line: Any, reply: Any, clock: Any
) -> None:
    fake_line.answers(reply(400, USED_TOKEN))
    outcome = await line.sending.reply("north", "token", HELLO, received_at=clock.now - timedelta(seconds=90))
    assert isinstance(outcome, Rejected)
    assert outcome.invalid_reply_token


@pytest.mark.parametrize("first", ["hang", "reset", "500"])
async def test_a_used_token_after_an_attempt_without_answer_means_delivered(
    hasty: LineClient, fake_line: Any, reply: Any, clock: Any, first: str
) -> None:
    fake_line.answers(reply(500) if first == "500" else reply(kind=first), reply(400, USED_TOKEN))
    outcome = await hasty.sending.reply("north", "token", HELLO, received_at=clock.now)
    assert outcome == Accepted(duplicate=True)
    assert fake_line.got[0].body == fake_line.got[1].body


async def test_another_refusal_after_an_attempt_without_answer_is_a_refusal(
    line: LineClient, fake_line: Any, reply: Any, clock: Any
) -> None:
    fake_line.answers(reply(500), reply(400, {"message": "Failed to send messages"}))
    assert isinstance(await line.sending.reply("north", "token", HELLO, received_at=clock.now), Rejected)


@pytest.mark.parametrize(("age", "attempts"), [(0, 3), (49, 3), (50, 1), (90, 1)])
async def test_an_unknown_reply_is_tried_again_only_under_50_seconds(
    line: LineClient, fake_line: Any, reply: Any, clock: Any, age: int, attempts: int
) -> None:
    fake_line.answers(reply(500))
    outcome = await line.sending.reply("north", "token", HELLO, received_at=clock.now - timedelta(seconds=age))
    assert isinstance(outcome, Unknown)
    assert outcome.may_have_been_accepted
    assert len(fake_line.got) == attempts


async def test_a_reply_attempted_before_is_delivered_by_then_or_left_unknown(
    line: LineClient, fake_line: Any, reply: Any, clock: Any
) -> None:
    fake_line.answers(reply(400, USED_TOKEN))
    received = clock.now
    clock.forward(seconds=20)
    outcome = await line.sending.reply("north", "t", HELLO, received_at=received, attempted_before=True)
    assert outcome == Accepted(duplicate=True)
    clock.forward(seconds=30)
    outcome = await line.sending.reply("north", "t", HELLO, received_at=received, attempted_before=True)
    assert outcome == Unknown("held_back", may_have_been_accepted=True)
    assert len(fake_line.got) == 1


async def test_a_reply_whose_connection_failed_first_is_not_called_delivered(
    line: LineClient, fake_line: Any, reply: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing left our side, so the refused token was already dead: the push may follow."""
    transport = line.sending._transport
    real = transport._attempt
    attempts = 0

    async def first_fails(*args: Any) -> Any:
        nonlocal attempts
        attempts += 1
        return Unknown("no_connection", may_have_been_accepted=False) if attempts == 1 else await real(*args)

    monkeypatch.setattr(transport, "_attempt", first_fails)
    fake_line.answers(reply(400, USED_TOKEN))
    outcome = await line.sending.reply("north", "token", HELLO, received_at=clock.now)
    assert isinstance(outcome, Rejected)
    assert outcome.invalid_reply_token


async def test_validation_names_the_field(line: LineClient, fake_line: Any, reply: Any) -> None:
    details = [{"message": "May not be empty", "property": "messages[0].text"}]
    fake_line.answers(reply(400, {"message": "The request body has 1 error(s)", "details": details}))
    outcome = await line.sending.validate("north", "multicast", [{"type": "text", "text": ""}])
    assert isinstance(outcome, Rejected)
    assert outcome.details[0].property == "messages[0].text"
    assert fake_line.got[0].path == "/v2/bot/message/validate/multicast"
