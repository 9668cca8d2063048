"""What of each record is counted, under which name; what is a dead letter."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.model import CampaignNews, Tally, Visit
from services.insights.counters.naming import campaign_of
from services.insights.counters.readings import LINE_TYPES, READERS, read_line_event
from services.insights.tests.memory import MemoryCounters
from shared import topics
from shared.clock import utcnow
from shared.consumer import BadRecord, Coordinates, Record
from shared.events import (
    CampaignFrozen,
    CampaignStateChanged,
    ChunkFailed,
    LinkClicked,
    MemberAttributed,
    MemberBound,
    MessageSent,
    PageViewed,
    SourceHit,
    TicketOpened,
    TicketStateChanged,
    encode,
)
from shared.testing.line_webhooks import envelope, event, follow, message, unfollow, user_id

AT = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
PERSON = user_id(1)
GROUP = {"type": "group", "groupId": "C" + "1" * 32, "userId": PERSON}
ROOM = {"type": "room", "roomId": "R" + "1" * 32}
FIXTURES = Path(__file__).parents[3] / "tests" / "fixtures" / "line"


def tallies(line_event: dict[str, Any]) -> tuple[Tally, ...]:
    """Return what a webhook event counts, besides itself."""
    arrival, *others = read_line_event(envelope("shop", line_event)).tallies
    assert arrival.metric == "events"
    return tuple(others)


@pytest.mark.parametrize(
    ("line_event", "counted"),
    [
        (follow(PERSON), Tally("adds", "new")),
        (follow(PERSON, unblocked=True), Tally("adds", "unblocked")),
        (event("follow", PERSON), Tally("adds", "new")),
        (unfollow(PERSON), Tally("blocks")),
        (message(PERSON), Tally("messages_in", "user:text")),
        (message(PERSON, "sticker"), Tally("messages_in", "user:sticker")),
        (message(PERSON, "hologram"), Tally("messages_in", "user:other")),
        (message(PERSON, source=GROUP), Tally("messages_in", "group:text")),
        (message(PERSON, "image", source=ROOM), Tally("messages_in", "room:image")),
    ],
)
def test_a_webhook_event_counts_under_its_kind(line_event: dict[str, Any], counted: Tally) -> None:
    assert tallies(line_event) == (counted,)


@pytest.mark.parametrize("kind", ["join", "leave", "memberJoined", "memberLeft", "follow", "unfollow"])
def test_nothing_of_a_group_or_room_counts_as_a_friend(kind: str) -> None:
    assert tallies(event(kind, None, source=GROUP)) == ()
    assert tallies(event(kind, None, source=ROOM)) == ()


def test_the_event_s_own_time_counts_not_that_of_its_arrival() -> None:
    assert read_line_event(envelope("shop", follow(PERSON, AT))).at == AT.timestamp() * 1000


@pytest.mark.parametrize("fields", [{}, {"message": "hello"}, {"source": 7}, {"follow": [1]}])
def test_an_unknown_type_counts_under_other_whatever_its_fields(fields: dict[str, Any]) -> None:
    reading = read_line_event(envelope("shop", event("hologram", PERSON, AT, **fields)))

    assert reading.tallies == (Tally("events", "line.events:other"),)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"channel":"shop"}',
        b'{"channel":"shop","event":{"type":"follow"}}',
        envelope("shop", event("message", PERSON, AT, message="hello")),
        envelope("shop", event("hologram", PERSON) | {"timestamp": "today"}),
    ],
)
def test_what_is_no_event_cannot_be_read(value: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        read_line_event(value)


def test_every_event_that_line_documents_is_read_and_known() -> None:
    read = set()
    for path in sorted(FIXTURES.glob("*.json")):
        for line_event in json.loads(path.read_bytes())["events"]:
            arrival = read_line_event(envelope("shop", line_event)).tallies[0]
            known = line_event["type"] in LINE_TYPES
            assert arrival.dimension == f"line.events:{line_event['type'] if known else 'other'}"
            read.add(line_event["type"])
    assert read >= LINE_TYPES


ABOUT: dict[str, Any] = {"id": "1", "channel": "shop", "occurred_at": AT}
MEMBER: dict[str, Any] = ABOUT | {"member": "mbr_1"}


@pytest.mark.parametrize(
    ("topic", "fact", "counted"),
    [
        (topics.MEMBER_EVENTS, MemberBound(by="staff", **MEMBER), Tally("bound", "staff")),
        (
            topics.MEMBER_EVENTS,
            MemberAttributed(source="a:b", basis="estimated", **MEMBER),
            Tally("attributed", "estimated:a:b"),
        ),
        (topics.WEB_EVENTS, LinkClicked(link="menu", url="https://x/", **ABOUT), Tally("clicks", "person:menu")),
        (topics.WEB_EVENTS, SourceHit(source="poster", robot=True, **ABOUT), Tally("source_hits", "robot:poster")),
        (topics.WEB_EVENTS, PageViewed(page="profile", **ABOUT), Tally("page_views", "profile")),
        (topics.WEB_EVENTS, PageViewed(page="p" * 5000, **ABOUT), Tally("page_views", "other")),
    ],
)
def test_a_fact_counts_under_its_name(topic: str, fact: Any, counted: Tally) -> None:
    arrival, *others = READERS[topic](encode(fact)).tallies

    assert arrival == Tally("events", f"{topic}:{fact.type}")
    assert others == [counted]


CAMPAIGN: dict[str, Any] = ABOUT | {"campaign": "cmp_1"}


def test_a_campaign_s_facts_count_people_by_what_became_of_them() -> None:
    read = READERS[topics.CAMPAIGN_EVENTS]
    frozen = CampaignFrozen(recipients=90, chunks=1, skipped={"gone": 7, "blocked": 3}, **CAMPAIGN)
    failed = ChunkFailed(chunk=1, recipients=80, end="unknown", skipped={"blocked": 0}, **CAMPAIGN)

    assert read(encode(frozen)).tallies[1:] == (
        Tally("campaign_matched", "cmp_1", 100),
        Tally("campaign_frozen", "cmp_1", 90),
        Tally("campaign_skipped", "cmp_1:blocked", 3),
        Tally("campaign_skipped", "cmp_1:gone", 7),
    )
    assert read(encode(failed)).tallies[1:] == (Tally("campaign_failed", "cmp_1:unknown", 80),)
    assert read(encode(frozen)).news == CampaignNews("cmp_1", frozen=True)


def test_a_campaign_s_name_and_state_are_news_and_no_numbers() -> None:
    changed = CampaignStateChanged(state="paused", by="system", reason="quota", name="N" * 900, version=7, **CAMPAIGN)

    reading = READERS[topics.CAMPAIGN_EVENTS](encode(changed))

    assert len(reading.tallies) == 1
    assert reading.news == CampaignNews("cmp_1", 7, "paused", "quota", "N" * 200)


def test_names_that_come_from_outside_cannot_grow_without_limit() -> None:
    skipped = {f"reason_{number}": 1 for number in range(500)} | {"a:b": 1, "x" * 99: 1}
    frozen = CampaignFrozen(recipients=1, chunks=1, skipped=skipped, **ABOUT, campaign="c" * 5000)
    opened = TicketOpened(contact="shop:U1", ticket="t", number=1, kind="k" * 5000, by="dev", **ABOUT)

    read = READERS[topics.CAMPAIGN_EVENTS](encode(frozen)).tallies

    assert sum(tally.amount for tally in read if tally.metric == "campaign_skipped") == 502
    assert len(read) < 40
    assert max(len(tally.dimension) for tally in read) < 150
    assert READERS[topics.TICKET_EVENTS](encode(opened)).tallies[1] == Tally("tickets_opened", "other")


@pytest.mark.parametrize(
    ("link", "campaign"),
    [
        ("cmp_1.0", "cmp_1"),
        ("cmp_01K1HQZ0000000000000000000.12", "cmp_01K1HQZ0000000000000000000"),
        ("cmp_1", None),
        ("cmp_1.x", None),
        ("cmp_.1", None),
        ("trial.cmp_1.0", None),
        ("menu", None),
    ],
)
def test_a_link_names_its_campaign(link: str, campaign: str | None) -> None:
    assert campaign_of(link) == campaign


def test_a_ticket_that_ends_counts_once_and_only_a_closed_one_has_a_resolution() -> None:
    read = READERS[topics.TICKET_EVENTS]
    it: dict[str, Any] = ABOUT | {"contact": "shop:U1", "ticket": "t", "number": 1, "kind": "repair", "by": "dev"}

    def counted(state: str, previous: str, seconds: float | None) -> list[str]:
        changed = TicketStateChanged(state=state, previous=previous, resolution_seconds=seconds, **it)
        return [f"{tally.metric} {tally.dimension}" for tally in read(encode(changed)).tallies[1:]]

    assert counted("ready", "in_progress", None) == []
    assert counted("closed", "ready", 61.0) == [
        "tickets_ended closed:repair",
        "spans resolution:63",
        "span_ms resolution",
    ]
    assert counted("cancelled", "new", 61.0) == ["tickets_ended cancelled:repair"]
    assert counted("cancelled", "closed", None) == []


def test_an_accepted_call_counts_once_and_its_recipients_each() -> None:
    sent = MessageSent(api="multicast", kind="campaign", service="broadcast", recipients=480, messages=3, **ABOUT)

    assert READERS[topics.LINE_SENT](encode(sent)).tallies[1:] == (
        Tally("sent_calls", "multicast:campaign"),
        Tally("sent_recipients", "multicast:campaign", 480),
    )


def test_a_person_s_browser_is_a_visit_and_a_robot_s_is_not() -> None:
    read = READERS[topics.WEB_EVENTS]
    click: dict[str, Any] = ABOUT | {"link": "menu", "url": "https://x/"}

    assert read(encode(LinkClicked(visitor="v1", **click))).visit == Visit("menu", "v1")
    assert read(encode(LinkClicked(visitor="v1", member="mbr_1", **click))).visit == Visit("menu", "v1", "mbr_1")
    assert read(encode(LinkClicked(visitor="v1", robot=True, **click))).visit is None
    assert read(encode(LinkClicked(**click))).visit is None


@pytest.mark.parametrize("topic", sorted(READERS.keys() - {topics.LINE_EVENTS}))
@pytest.mark.parametrize(
    "fields", [{}, {"campaign": 1, "skipped": []}, {"link": 5, "robot": "maybe", "recipients": -1}]
)
def test_an_unknown_fact_counts_under_other_whatever_its_fields(topic: str, fields: dict[str, Any]) -> None:
    value = orjson.dumps({"type": "glimpsed", "channel": "shop", "occurred_at": "2026-11-20T04:00:00Z"} | fields)

    assert READERS[topic](value).tallies == (Tally("events", f"{topic}:other"),)


@pytest.mark.parametrize(
    "change",
    [{"recipients": -1}, {"recipients": "all"}, {"occurred_at": "yesterday"}, {"occurred_at": "2026-11-20T04:00:00"}],
)
def test_a_known_fact_with_a_wrong_field_cannot_be_read(change: dict[str, Any]) -> None:
    sent = MessageSent(api="push", kind="notice", service="broadcast", **ABOUT)

    with pytest.raises(msgspec.DecodeError):
        READERS[topics.LINE_SENT](orjson.dumps(orjson.loads(encode(sent)) | change))


@given(topic=st.sampled_from(sorted(READERS)), value=st.binary(max_size=60) | st.none())
async def test_a_record_that_cannot_be_read_is_a_dead_letter_and_nothing_else(topic: str, value: bytes | None) -> None:
    at = Coordinates(topic, 0, 0)
    counters = MemoryCounters()

    with pytest.raises(BadRecord):
        await count([Record(at, None, value, (), utcnow(), at)], READERS[topic], served(counters))

    assert not counters.totals()


@pytest.mark.parametrize("millis", [0, 10**18])
async def test_a_time_that_no_event_can_have_is_a_dead_letter(millis: int) -> None:
    at = Coordinates(topics.LINE_EVENTS, 0, 0)
    value = envelope("shop", follow(PERSON) | {"timestamp": millis})

    with pytest.raises(BadRecord, match=r"2000|range"):
        await count([Record(at, None, value, (), utcnow(), at)], read_line_event, served(MemoryCounters()))


def served(counters: MemoryCounters) -> CountDeps:
    return CountDeps(counters, lambda _: UTC, Counter("skipped", "", ["topic"], registry=CollectorRegistry()))
