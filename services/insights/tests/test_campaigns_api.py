"""Campaigns and tickets, from the records on the topics to the reports on the real store."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter

from services.insights.app import create_app
from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import READERS
from services.insights.counters.store import INDEXES, MongoCounters
from services.insights.tests.desk import make_desk
from shared.clock import utcnow
from shared.consumer import Coordinates, Record
from shared.events import (
    CampaignFrozen,
    CampaignStateChanged,
    ChunkAccepted,
    ChunkFailed,
    ConversationClosed,
    ConversationOpened,
    Fact,
    LinkClicked,
    MessageSent,
    RecipientBlocked,
    TicketAssigned,
    TicketBreached,
    TicketOpened,
    TicketReplied,
    TicketStateChanged,
    encode,
)
from shared.mongo import Database, ensure_indexes
from shared.topics import CAMPAIGN_EVENTS, LINE_SENT, TICKET_EVENTS, WEB_EVENTS

pytestmark = pytest.mark.integration

NOWHERE = "127.0.0.1:1"
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"


@dataclass
class Office:
    """Insights on a real store, and a way to let facts arrive."""

    client: httpx.AsyncClient
    counters: MongoCounters
    offsets: dict[str, int] = field(default_factory=dict)

    async def arrive(self, topic: str, *facts: Fact | MessageSent) -> None:
        skipped = Counter("skipped", "", ["topic"], registry=CollectorRegistry())
        deps = CountDeps(self.counters, lambda _: ZoneInfo("Asia/Taipei"), skipped)
        first = self.offsets.get(topic, 0)
        self.offsets[topic] = first + len(facts)
        places = [Coordinates(topic, 0, first + number) for number in range(len(facts))]
        records = [Record(at, None, encode(fact), (), utcnow(), at) for at, fact in zip(places, facts, strict=True)]
        for _ in range(2):
            await count(records, READERS[topic], deps)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/insights/taipei/{path}", params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def table(self, path: str) -> list[dict[str, str]]:
        answer = await self.client.get(f"/v1/insights/taipei/{path}", headers={"accept": "text/csv"})
        assert answer.content.startswith(BOM)
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
async def office(tmp_path: Path, mongo_url: str, database: Database) -> AsyncIterator[Office]:
    desk = make_desk(tmp_path, {"taipei": "Asia/Taipei"})
    await ensure_indexes(database, INDEXES)
    app = create_app(desk.settings(NOWHERE, mongo_url, database.name), now=lambda: NOW)
    async with desk.client(app) as client:
        yield Office(client, MongoCounters(database))


def about(minute: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": f"f{minute}", "channel": "taipei", "occurred_at": NOW - timedelta(minutes=60 - minute), **more}


def click(link: str, visitor: str, member: str | None = None, *, robot: bool = False) -> LinkClicked:
    return LinkClicked(link=link, url="https://x/", visitor=visitor, member=member, robot=robot, **about(30))


async def a_campaign(office: Office, campaign: str = "cmp_a", name: str = "=August") -> None:
    """One campaign of 1,000 who matched: 12 left out, 496 accepted, 2 skipped since, 490 to come or refused."""
    it = {"campaign": campaign}
    await office.arrive(
        CAMPAIGN_EVENTS,
        CampaignStateChanged(state="running", by="dev", name=name, version=3, **about(1, **it)),
        CampaignFrozen(recipients=988, chunks=2, skipped={"never_followed": 12}, **about(2, **it)),
        ChunkAccepted(chunk=0, recipients=496, skipped={"blocked": 2}, **about(3, **it)),
        ChunkFailed(chunk=1, recipients=90, end="rejected", **about(4, **it)),
        ChunkFailed(chunk=2, recipients=100, end="unknown", **about(4, **it)),
        RecipientBlocked(contact="taipei:U1", **about(5, **it)),
    )


async def test_a_campaign_shows_all_that_became_of_it(office: Office) -> None:
    await a_campaign(office)
    await office.arrive(
        WEB_EVENTS,
        click("cmp_a.0", "v1"),
        click("cmp_a.1", "v1"),
        click("cmp_a.1", "v2", "mbr_1"),
        click("cmp_a.0", "", robot=True),
        click("cmp_b.0", "v9"),
        click("menu", "v8"),
    )

    [item] = (await office.get("campaigns"))["items"]

    expected = {
        "campaign": "cmp_a",
        "name": "=August",
        "state": "running",
        "frozen_at": "2026-11-21T11:02:00+08:00",
        "matched": 1000,
        "frozen": 988,
        "accepted": 496,
        "rejected": 90,
        "unsettled": 100,
        "skipped": 14,
        "skipped_by_reason": {"blocked": 2, "never_followed": 12},
        "pending": 300,
        "campaign_clicks": 3,
        "campaign_robot_clicks": 1,
        "campaign_browsers": 2,
        "clicked_members": 1,
        "clickers": 2,
        "click_rate": round(2 / 496, 4),
        "blocked": 1,
        "blocked_per_1000": round(1000 / 496, 2),
    }
    assert {name: item[name] for name in expected} == expected


async def test_one_campaign_has_its_links_whose_clicks_sum_up_and_says_where_numbers_come_from(office: Office) -> None:
    await a_campaign(office)
    await office.arrive(WEB_EVENTS, click("cmp_a.0", "v1"), click("cmp_a.1", "v1"), click("cmp_a.1", "v2"))

    report = await office.get("campaigns/cmp_a")

    assert [(link["link"], link["clicks"]) for link in report["links"]] == [("cmp_a.0", 1), ("cmp_a.1", 2)]
    assert report["campaign"]["campaign_clicks"] == 3
    assert report["sources"]["accepted"] == {"source": "broadcast", "as_of": "2026-11-21T11:05:00+08:00"}
    assert report["sources"]["clickers"] == {"source": "own click", "as_of": "2026-11-21T11:30:00+08:00"}
    rows = await office.table("campaigns/cmp_a")
    assert [(row["name"], row["link"], row["clicks"], row["source"]) for row in rows] == [
        ("'=August", "cmp_a.0", "1", "own click"),
        ("'=August", "cmp_a.1", "2", "own click"),
    ]


async def test_what_has_not_happened_is_empty_and_not_zero(office: Office) -> None:
    draft = CampaignStateChanged(state="draft", by="dev", name="Later", version=1, **about(1, campaign="cmp_d"))
    await office.arrive(CAMPAIGN_EVENTS, draft)

    report = await office.get("campaigns/cmp_d")

    item = report["campaign"]
    empty = ("matched", "frozen", "pending", "frozen_at", "click_rate", "blocked_per_1000")
    assert {item[name] for name in empty} == {None}
    assert (item["accepted"], item["clickers"], report["links"]) == (0, 0, [])
    assert report["sources"]["clickers"]["as_of"] is None


async def test_campaigns_stand_side_by_side_in_the_order_asked_for(office: Office) -> None:
    for number, (accepted, clicks, blocked) in enumerate([(10, 5, 1), (100, 9, 0), (0, 0, 0)]):
        it = {"campaign": f"cmp_{number}"}
        await office.arrive(
            CAMPAIGN_EVENTS,
            CampaignStateChanged(state="finished", by="dev", name=f"No {number}", version=1, **about(number, **it)),
            ChunkAccepted(chunk=0, recipients=accepted, **about(number, **it)),
            *(RecipientBlocked(contact="taipei:U1", **about(number, **it)) for _ in range(blocked)),
        )
        await office.arrive(WEB_EVENTS, *(click(f"cmp_{number}.0", f"v{n}") for n in range(clicks)))
    orders = {"newest": [2, 1, 0], "click_rate": [0, 1, 2], "clicks": [1, 0, 2], "accepted": [1, 0, 2]}
    for order, expected in {**orders, "blocked_per_1000": [0, 1, 2]}.items():
        items = (await office.get("campaigns", sort=order))["items"]
        assert [item["campaign"] for item in items] == [f"cmp_{number}" for number in expected], order
    totals = (await office.get("campaigns"))["totals"]
    assert (totals["campaigns"], totals["accepted"], totals["campaign_clicks"], totals["blocked"]) == (3, 110, 14, 1)
    assert (await office.get("campaigns", to="2026-11-19"))["items"] == []


async def test_the_list_as_csv_has_a_row_a_campaign_and_a_column_a_reason(office: Office) -> None:
    assert await office.table("campaigns") == []
    await a_campaign(office)
    await a_campaign(office, "cmp_b", "B")
    rows = await office.table("campaigns")
    assert sorted(row["campaign"] for row in rows) == ["cmp_a", "cmp_b"]
    assert {(row["skipped_blocked"], row["skipped_never_followed"], row["pending"]) for row in rows} == {
        ("2", "12", "300")
    }
    assert {row["as_of"] for row in rows} == {"2026-11-21T11:05:00+08:00"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("taipei/campaigns/cmp_none", 404),
        ("york/campaigns", 404),
        ("taipei/campaigns?sort=luck", 422),
        ("taipei/campaigns?from=x", 422),
    ],
)
async def test_what_is_not_there_or_wrongly_asked_is_said(office: Office, path: str, status: int) -> None:
    answer = await office.client.get(f"/v1/insights/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def ticket(number: int, minute: int) -> dict[str, Any]:
    return about(minute, contact="taipei:U1", ticket=f"tkt_{number}", number=number)


async def the_desk_works(office: Office) -> None:
    await office.arrive(
        TICKET_EVENTS,
        ConversationOpened(opening=1, **about(0, contact="taipei:U1")),
        ConversationOpened(opening=1, **about(1, contact="taipei:U2")),
        *(TicketOpened(kind="repair", by="repair", **ticket(number, number)) for number in range(1, 5)),
        TicketOpened(kind="delivery", by="dev", **ticket(9, 9)),
        TicketAssigned(team="north", assignee="ken", by="dev", **ticket(1, 10)),
        TicketAssigned(team="north", by="dev", **ticket(2, 10)),
        TicketAssigned(by="dev", **ticket(2, 11)),
        *(
            TicketReplied(by="dev", first_response_seconds=seconds, **ticket(number, 12))
            for number, seconds in enumerate((60.0, 120.0, 600.0), 1)
        ),
        TicketStateChanged(kind="repair", state="accepted", previous="new", by="dev", **ticket(1, 13)),
        TicketStateChanged(
            kind="repair", state="closed", previous="ready", by="dev", resolution_seconds=7200.0, **ticket(1, 40)
        ),
        TicketStateChanged(kind="repair", state="cancelled", previous="new", by="dev", **ticket(2, 41)),
        TicketBreached(target="first_response", **ticket(3, 42)),
        ConversationClosed(
            opening=1, by="dev", first_response_seconds=30.0, resolution_seconds=90.5, **about(50, contact="taipei:U1")
        ),
    )


async def test_the_desk_shows_its_work_and_how_long_it_took(office: Office) -> None:
    await the_desk_works(office)

    report = await office.get("tickets")

    totals = report["totals"]
    expected = {
        "tickets_opened": 5,
        "tickets_closed": 1,
        "tickets_cancelled": 1,
        "open_tickets": 3,
        "tickets_assigned": 3,
        "first_response_breaches": 1,
        "resolution_breaches": 0,
        "conversations_opened": 2,
        "conversations_closed": 1,
        "open_conversations": 1,
        "kinds": [
            {"kind": "delivery", "opened": 1, "closed": 0, "cancelled": 0},
            {"kind": "repair", "opened": 4, "closed": 1, "cancelled": 1},
        ],
        "teams": [{"to": None, "count": 1}, {"to": "north", "count": 2}],
        "assignees": [{"to": None, "count": 2}, {"to": "ken", "count": 1}],
    }
    assert {name: totals[name] for name in expected} == expected
    first = totals["first_response"]
    assert (first["count"], first["mean_seconds"]) == (3, 260.0)
    assert first["median_seconds"] == pytest.approx(120, rel=0.26)
    assert (totals["resolution"]["count"], totals["resolution"]["mean_seconds"]) == (1, 7200.0)
    assert totals["conversation_resolution"]["mean_seconds"] == 90.5
    assert report["sources"]["open_tickets"] == {"source": "ticketing", "as_of": "2026-11-21T11:50:00+08:00"}
    assert report["items"][0]["first_response"] == {
        "count": 0,
        "mean_seconds": None,
        "median_seconds": None,
        "p90_seconds": None,
    }


async def test_the_desk_as_csv_sums_up_to_the_totals_and_is_in_the_summary(office: Office) -> None:
    await the_desk_works(office)
    rows = await office.table("tickets")
    totals = (await office.get("tickets"))["totals"]
    for name in ("tickets_opened", "tickets_closed", "conversations_opened"):
        assert sum(int(row[name]) for row in rows) == totals[name]
    assert rows[-1]["first_response_mean_seconds"] == "260.0"
    assert rows[0]["resolution_median_seconds"] == ""
    summary = {item["measure"]: item["value"] for item in (await office.get("summary"))["items"]}
    assert (summary["open_tickets"], summary["first_response_breaches"]) == (3, 1)


async def test_messages_out_are_told_apart_by_who_sent_them(office: Office) -> None:
    kinds = {
        "auto_reply": ("reply", 3, 1),
        "flow": ("reply", 2, 1),
        "reply": ("push", 1, 1),
        "ticket_notice": ("push", 2, 1),
        "campaign": ("multicast", 2, 500),
        "greeting": ("reply", 1, 1),
    }
    sent = [
        MessageSent(api=api, kind=kind, service="any", recipients=recipients, **about(number))  # type: ignore[arg-type]
        for kind, (api, calls, recipients) in kinds.items()
        for number in range(calls)
    ]
    await office.arrive(LINE_SENT, *sent)

    totals = (await office.get("messages"))["totals"]

    told = {(kind["kind"], kind["api"]): (kind["count"], kind["recipients"]) for kind in totals["kinds"]}
    assert told == {(kind, api): (calls, calls * each) for kind, (api, calls, each) in kinds.items()}
    assert (totals["sent_calls"], totals["sent_recipients"]) == (11, 1009)
