"""Insights wired, driven through HTTP: who may read what, what is refused, what holds with every server down."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from services.insights.app import create_app
from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import READERS
from services.insights.counters.store import MongoCounters
from services.insights.tests.desk import Desk, make_desk
from shared.channels import BadFile
from shared.clock import utcnow
from shared.consumer import Coordinates, Record
from shared.events import LinkClicked, encode
from shared.http import Application, ops_app
from shared.mongo import Database
from shared.testing.line_webhooks import envelope, follow, message, user_id
from shared.topics import LINE_EVENTS, WEB_EVENTS

NOWHERE = "127.0.0.1:1"
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
REPORTS = ("friends", "messages", "clicks", "bindings", "sources", "tickets", "summary")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, {"taipei": "Asia/Taipei", "york": "America/New_York"})


@pytest.fixture
async def alone(desk: Desk) -> Application:
    """The app without any server to reach."""
    return create_app(desk.settings(NOWHERE, f"mongodb://{NOWHERE}", "insights"), now=lambda: NOW)


@pytest.mark.parametrize("report", REPORTS)
async def test_without_a_key_nothing_is_shown(desk: Desk, alone: Application, report: str) -> None:
    async with desk.client(alone, "mk_all_wrong") as client:
        answer = await client.get(f"/v1/insights/taipei/{report}")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("report", REPORTS)
async def test_another_s_channel_is_as_unknown_as_one_that_is_none(desk: Desk, alone: Application, report: str) -> None:
    async with desk.client(alone, desk.limited) as client:
        foreign = await client.get(f"/v1/insights/york/{report}")
        unknown = await client.get(f"/v1/insights/nowhere/{report}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"] == unknown.json()["detail"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"from": "yesterday"}, "/query/from"),
        ({"to": "2026-02-30"}, "/query/to"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "/query/from"),
        ({"from": "2020-01-01", "to": "2026-11-01"}, "/query/from"),
        ({"grain": "minute"}, "/query/grain"),
        ({"format": "xlsx"}, "/query/format"),
    ],
)
async def test_a_wrong_query_is_a_422_that_names_it(
    desk: Desk, alone: Application, query: dict[str, str], pointer: str
) -> None:
    async with desk.client(alone) as client:
        answer = await client.get("/v1/insights/taipei/friends", params=query)
    assert answer.status_code == 422
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [pointer]


async def test_with_every_server_down_it_is_alive_not_ready_and_ends_at_once(desk: Desk, alone: Application) -> None:
    transport = httpx.ASGITransport(ops_app(alone.health, alone.registry))
    async with asyncio.timeout(20):
        async with alone.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://ops") as ops:
            live, ready = await ops.get("/health/live"), await ops.get("/health/ready")
            metrics = await ops.get("/metrics")
            async with desk.client(alone) as client:
                report = await client.get("/v1/insights/taipei/friends")
    assert live.status_code == 200
    assert ready.status_code == 503
    assert set(ready.json()["problems"]) == {"kafka", "store", "consumer"}
    assert report.status_code == 503
    names = {family.name for family in text_string_to_metric_families(metrics.text)}
    assert {"consumer_records", "insights_skipped_records", "producer_records"} <= names


async def test_a_broken_file_is_said_before_anything_starts(desk: Desk) -> None:
    (desk.folder / "erasure.key").write_text("too short")
    with pytest.raises(BadFile, match=r"erasure\.key"):
        create_app(desk.settings(NOWHERE, f"mongodb://{NOWHERE}", "insights"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"KAFKA_URL": ""}, "KAFKA_URL: must be host:port"),
        ({"CHANNELS_FILE": "/nowhere.yml"}, "CHANNELS_FILE: names no file"),
        ({"CONSUMER_GROUP": "a b"}, "CONSUMER_GROUP"),
        ({"ERASURE_KEY_FILE": __file__}, "test_app.py: must hold one line of Base64"),
    ],
)
def test_the_process_ends_with_2_and_a_line_that_says_what_is_wrong(
    desk: Desk, change: dict[str, str], said: str
) -> None:
    environment = desk.environment(NOWHERE, f"mongodb://{NOWHERE}", "insights", "insights") | change
    done = subprocess.run(
        [sys.executable, "-m", "services.insights"],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@dataclass
class Office:
    """Insights on a real store, and a way to let records arrive."""

    app: Application
    client: httpx.AsyncClient
    counters: MongoCounters

    async def arrive(self, topic: str, *values: bytes) -> None:
        skipped = Counter("skipped", "", ["topic"], registry=CollectorRegistry())
        zones = {"taipei": "Asia/Taipei", "york": "America/New_York"}
        deps = CountDeps(self.counters, lambda slug: ZoneInfo(zones[slug]), skipped)
        records = [
            Record(at := Coordinates(topic, 0, offset), None, value, (), utcnow(), at)
            for offset, value in enumerate(values)
        ]
        await count(records, READERS[topic], deps)

    async def get(self, channel: str, name: str, **query: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/insights/{channel}/{name}", params=query)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
async def office(desk: Desk, mongo_url: str, database: Database) -> AsyncIterator[Office]:
    app = create_app(desk.settings(NOWHERE, mongo_url, database.name), now=lambda: NOW)
    async with desk.client(app) as client:
        yield Office(app, client, MongoCounters(database))


@pytest.mark.integration
async def test_a_report_says_what_it_is_of_and_up_to_when(office: Office) -> None:
    at = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
    await office.arrive(LINE_EVENTS, envelope("taipei", follow(user_id(1), at)))

    report = await office.get("taipei", "friends", **{"from": "2026-11-19", "to": "2026-11-20"})

    assert {name: report[name] for name in ("channel", "timezone", "grain", "from", "to", "as_of", "generated_at")} == {
        "channel": "taipei",
        "timezone": "Asia/Taipei",
        "grain": "day",
        "from": "2026-11-19",
        "to": "2026-11-20",
        "as_of": "2026-11-20T12:30:00+08:00",
        "generated_at": "2026-11-21T12:00:00+08:00",
    }
    assert [item["adds"] for item in report["items"]] == [0, 1]
    assert report["sources"]["adds"] == {"source": "line webhook", "as_of": "2026-11-20T12:30:00+08:00"}
    assert report["sources"]["reach"] == {"source": "binding", "as_of": None}


@pytest.mark.integration
async def test_each_account_counts_by_its_own_days(office: Office) -> None:
    at = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
    await office.arrive(LINE_EVENTS, *(envelope(slug, message(user_id(1), at=at)) for slug in ("taipei", "york")))

    for slug, day in (("taipei", "2026-11-20"), ("york", "2026-11-19")):
        report = await office.get(slug, "messages", **{"from": "2026-11-18", "to": "2026-11-21"})
        assert {item["label"] for item in report["items"] if item["received"]} == {day}


@pytest.mark.integration
async def test_csv_comes_by_accept_or_by_format(office: Office) -> None:
    await office.arrive(
        WEB_EVENTS,
        encode(LinkClicked(id="1", channel="taipei", occurred_at=NOW, link="=cmd", url="https://x/", visitor="v")),
    )
    path = "/v1/insights/taipei/clicks?from=2026-11-21&to=2026-11-21"

    by_accept = await office.client.get(path, headers={"accept": "text/csv"})
    by_format = await office.client.get(f"{path}&format=csv")
    as_json = await office.client.get(f"{path}&format=json", headers={"accept": "text/csv"})

    assert by_accept.headers["content-type"] == "text/csv; charset=utf-8"
    assert by_accept.content == by_format.content
    header, row, _ = by_format.content.decode("utf-8-sig").split("\r\n")
    assert header == "start,label,link,clicks,robot_clicks,browsers,source,as_of"
    assert row == "2026-11-21T00:00:00+08:00,2026-11-21,'=cmd,1,0,1,own click,2026-11-21T12:00:00+08:00"
    assert as_json.json()["totals"]["clicks"] == 1


@pytest.mark.integration
@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("grain", ["day", "hour"])
async def test_every_report_is_there_before_anything_has_happened(office: Office, name: str, grain: str) -> None:
    report = await office.get("taipei", name, grain=grain)
    as_csv = await office.client.get(f"/v1/insights/taipei/{name}?format=csv&grain={grain}")

    assert report["as_of"] is None
    assert report["items"]
    assert as_csv.status_code == 200
    assert as_csv.content.startswith(b"\xef\xbb\xbf")


@pytest.mark.integration
async def test_the_summary_shows_what_arrived_and_defines_each_number(office: Office) -> None:
    events = [follow(user_id(1), NOW), message(user_id(1), at=NOW), follow(user_id(2), NOW)]
    await office.arrive(LINE_EVENTS, *(envelope("taipei", line_event) for line_event in events))

    report = await office.get("taipei", "summary")

    assert report["totals"]["events"] == {"line.events:follow": 2, "line.events:message": 1}
    assert all(item["definition"] and item["source"] for item in report["items"])


async def test_the_docs_describe_every_report(desk: Desk, alone: Application) -> None:
    async with desk.client(alone) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert {f"/v1/insights/{{channel}}/{name}" for name in REPORTS} <= set(paths)
