"""What a chunk sends, what LINE's answers mean for it, and the pace: pure."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import orjson
import pytest

from services.broadcast.sending.facts import accepted_facts, failed_facts
from services.broadcast.sending.fixing import fix
from services.broadcast.sending.model import Chunk, NewChunk, People, Skip, chunk_id, fates
from services.broadcast.sending.orders import Content
from services.broadcast.sending.pace import Pace
from services.broadcast.sending.verdicts import Again, Back, Ended, Rejections, Verdict, Without, verdict
from shared.line.outcomes import (
    Accepted,
    Busy,
    Detail,
    Outcome,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Unauthorised,
    Unknown,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CONTENT = Content([{"type": "text", "text": "hi"}], unit="cmp_1")
PEOPLE = People(("shop:Ua", "shop:Ub", "shop:Uc"), (Skip("shop:Uz", "no_consent"),))


def a_chunk(**changes: object) -> Chunk:
    fields: dict[str, object] = {
        "id": "cmp_1.000007",
        "campaign": "cmp_1",
        "channel": "shop",
        "n": 7,
        "state": "pending",
        "first": "shop:Ua",
        "last": "shop:Uz",
        "frozen": 3,
        "skips": {"no_consent": 1},
        "people": "p",
    }
    return Chunk(**(fields | changes))  # type: ignore[arg-type]


def test_ids_of_chunks_sort_as_their_numbers_do() -> None:
    ids = [chunk_id("cmp_1", n) for n in (0, 9, 10, 99_999, 100_000, 999_999)]
    assert ids == sorted(ids)
    with pytest.raises(ValueError, match="numbered 0 to 999999"):
        chunk_id("cmp_1", 1_000_000)


def test_a_chunk_covers_those_it_skips_too() -> None:
    chunk = NewChunk(
        "cmp_1", "shop", 0, ["shop:Ub", "shop:Uc"], [Skip("shop:Ua", "blocked"), Skip("shop:Ud", "capped")]
    )
    assert (chunk.first, chunk.last) == ("shop:Ua", "shop:Ud")


def test_what_is_sent_is_what_was_frozen_less_who_cannot_be_reached_now() -> None:
    fixed = fix(a_chunk(), PEOPLE, {"shop:Ub": "blocked"}, CONTENT)
    body = orjson.loads(fixed.body)
    assert body["to"] == ["Ua", "Uc"]
    assert body["customAggregationUnits"] == ["cmp_1"]
    assert (fixed.recipients, fixed.dropped) == (2, [Skip("shop:Ub", "blocked")])


def test_the_retry_key_is_the_chunks_and_another_for_other_recipients() -> None:
    first = fix(a_chunk(), PEOPLE, {}, CONTENT)
    later = fix(a_chunk(), PEOPLE, {"shop:Ua": "blocked"}, CONTENT)
    elsewhere = fix(a_chunk(id="cmp_1.000008"), PEOPLE, {}, CONTENT)
    revised = fix(a_chunk(revision=1, dropped=(Skip("shop:Ua", "invalid"),)), PEOPLE, {}, CONTENT)
    assert first.retry_key == later.retry_key
    assert len({first.retry_key, elsewhere.retry_key, revised.retry_key}) == 3
    assert orjson.loads(revised.body)["to"] == ["Ub", "Uc"]


def test_a_chunk_of_which_nobody_is_left_has_no_body() -> None:
    fixed = fix(a_chunk(), PEOPLE, dict.fromkeys(PEOPLE.recipients, "blocked"), CONTENT)
    assert (fixed.recipients, fixed.body, len(fixed.dropped)) == (0, b"", 3)


def test_each_persons_fate_says_why() -> None:
    chunk = a_chunk(state="accepted", request_id="r1", ended_at=NOON, dropped=(Skip("shop:Ub", "blocked"),))
    told = [(fate.contact, fate.outcome, fate.reason, fate.request_id) for fate in fates(chunk, PEOPLE)]
    assert told == [
        ("shop:Ua", "accepted", None, "r1"),
        ("shop:Ub", "skipped", "blocked", None),
        ("shop:Uc", "accepted", None, "r1"),
        ("shop:Uz", "skipped", "no_consent", None),
    ]


def test_the_facts_of_a_chunk_have_ids_of_its_own_and_no_names() -> None:
    first, again, other = (
        accepted_facts(chunk, NOON, recipients=3, dropped={}, messages=1, request_id="r1")
        for chunk in (a_chunk(), a_chunk(), a_chunk(id="cmp_1.000008"))
    )
    assert first == again
    ids = {item["id"] for item in (*first, *other, *failed_facts(a_chunk(), NOON, recipients=3, end="unknown"))}
    assert len(ids) == 5
    assert "shop:U" not in "".join(item["value"] for item in first)


BAD_ID = Rejected(400, "The property, to[2], in the request body is invalid (line: -, column: -)")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Accepted("r1"), Ended("accepted", "r1")),
        (Accepted("r0", duplicate=True), Ended("accepted", "r0")),
        (RateLimited(), Again(1.0, doubted=False, slower=True)),
        (Busy("same_user", may_have_been_accepted=True), Again(1.0, doubted=True, slower=True)),
        (QuotaExhausted(), Back(doubted=False, pause="quota")),
        (QuotaExhausted(may_have_been_accepted=True), Back(doubted=True, pause="quota")),
        (Unauthorised(), Back(doubted=False, pause="unauthorised")),
        (Rejected(403), Back(doubted=True, pause="unauthorised")),
        (Unknown("timeout", may_have_been_accepted=True), Again(1.0, doubted=True)),
        (Unknown("no_connection", may_have_been_accepted=False), Again(1.0, doubted=False)),
        (Unknown("held_back", may_have_been_accepted=False), Back(doubted=False)),
        (Unknown("retry_key_expired", may_have_been_accepted=True), Ended("unknown")),
        (BAD_ID, Without(2)),
        (Rejected(400, "", (Detail("invalid", "to[4]"),)), Without(4)),
    ],
)
def test_each_answer_of_line_has_its_meaning(outcome: Outcome, expected: Verdict) -> None:
    assert verdict(outcome, attempts=1, revision=0) == expected


def test_a_refusal_keeps_what_is_wrong_and_not_lines_words() -> None:
    outcome = Rejected(400, "secret text", (Detail("also secret", "messages[0].text"),), "r1")
    expected = Ended("rejected", "r1", {"status": 400, "properties": ["messages[0].text"]})
    assert verdict(outcome, attempts=1, revision=0) == expected


def test_recipients_are_taken_out_one_by_one_only_a_few_times() -> None:
    assert verdict(BAD_ID, attempts=1, revision=4) == Without(2)
    ended = verdict(BAD_ID, attempts=1, revision=5)
    assert isinstance(ended, Ended)
    assert ended.state == "rejected"


def test_the_wait_grows_to_a_minute() -> None:
    waits = [verdict(RateLimited(), attempts=attempts, revision=0) for attempts in (1, 2, 3, 50)]
    assert [wait.wait for wait in waits if isinstance(wait, Again)] == [1, 2, 4, 60]


def test_five_rejected_of_the_last_twenty_are_too_many() -> None:
    rejections = Rejections(5, 20)
    ends = [True] * 4 + [False] * 16 + [True] * 4
    assert not any(rejections.note("a", rejected=rejected) for rejected in ends)
    assert not rejections.note("b", rejected=True)
    assert rejections.note("a", rejected=True)
    assert not rejections.note("a", rejected=True)


class Time:
    """A clock that sleeping moves on; a sleeper wakes a little late."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 100.0
        self._late = late

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds + self._late
        await asyncio.sleep(0)


async def calls(pace: Pace, time: Time, count: int) -> list[float]:
    """Return when calls that all wait at once are let through."""
    at: list[float] = []

    async def call() -> None:
        await pace.take()
        at.append(time.now)

    await asyncio.gather(*(call() for _ in range(count)))
    return at


@pytest.mark.parametrize("late", [0.0, 0.001, 0.02, 0.04])
async def test_no_window_of_a_second_holds_more_than_the_pace_and_one(late: float) -> None:
    time = Time(late)
    pace = Pace(100, time, time.sleep)
    at = await calls(pace, time, 500)
    assert at[0] > 100.0
    for start in at:
        assert sum(start <= each < start + 1 for each in at) <= 100 + 1
    assert at[-1] - at[0] < 5.2


async def test_time_that_nobody_used_is_not_made_good() -> None:
    time = Time()
    pace = Pace(100, time, time.sleep)
    await calls(pace, time, 1)
    time.now += 60
    at = await calls(pace, time, 100)
    assert at[-1] - at[0] > 0.8


async def test_a_refusal_halves_the_pace_once_a_second_and_it_comes_back() -> None:
    time = Time()
    pace = Pace(100, time, time.sleep)
    for _ in range(10):
        pace.slow_down()
    assert pace.rate == 50
    at = await calls(pace, time, 1)
    assert at[0] >= 101
    time.now += 5
    assert 75 <= pace.rate <= 90
    time.now += 60
    assert pace.rate == 100


async def test_the_pace_never_stands_still() -> None:
    time = Time()
    pace = Pace(100, time, time.sleep)
    for _ in range(30):
        pace.slow_down()
        time.now += 1
    assert pace.rate >= 1
