"""GET /r/{token}: the click is recorded and the person sent on, whatever else is broken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.ingest.settings import IngestSettings
from services.ingest.tests.conftest import Ingest
from shared.clock import utcnow
from shared.events import LinkClicked
from shared.links import LinkKeys
from shared.topics import WEB_EVENTS

PHONE = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari Line/15.0.0"}
TARGET = "https://shop.example.com/autumn?size=L"


@pytest.fixture
def keys(settings: IngestSettings) -> LinkKeys:
    return LinkKeys.load(settings.link_key_file)


def token(keys: LinkKeys, **more: Any) -> str:
    return keys.sign_click(**{"channel": "coffee", "link": "autumn", "url": TARGET} | more)


def clicks(ingest: Ingest) -> list[LinkClicked]:
    return [LinkClicked.model_validate_json(record.value or b"") for record in ingest.publisher.records]


async def test_a_click_is_recorded_and_sent_on(ingest: Ingest, keys: LinkKeys) -> None:
    answer = await ingest.client.get(f"/r/{token(keys)}", headers=PHONE)

    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    [record], [click] = ingest.publisher.records, clicks(ingest)
    assert (click.channel, click.link, click.url, click.robot) == ("coffee", "autumn", TARGET, False)
    assert (record.topic, record.key) == (WEB_EVENTS, (click.visitor or "").encode())
    cookie = answer.headers["set-cookie"]
    assert f"musubi_visitor={click.visitor}" in cookie
    assert all(mark in cookie for mark in ("HttpOnly", "SameSite=lax", "Secure", "Path=/"))


async def test_a_browser_keeps_its_visitor_id_and_cannot_make_one_up(ingest: Ingest, keys: LinkKeys) -> None:
    path = f"/r/{token(keys)}"
    for cookie in (None, None, "x" * 500):
        if cookie:
            ingest.client.cookies.set("musubi_visitor", cookie, domain="crm.example.com")
        await ingest.client.get(path, headers=PHONE)

    first, second, third = (click.visitor for click in clicks(ingest))
    assert first == second
    assert third not in {first, "x" * 500}


async def test_a_member_s_link_is_keyed_by_the_member(ingest: Ingest, keys: LinkKeys) -> None:
    await ingest.client.get(f"/r/{token(keys, member='mbr_1')}", headers=PHONE)

    assert ingest.publisher.records[0].key == b"mbr_1"
    assert clicks(ingest)[0].member == "mbr_1"


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "facebookexternalhit/1.1;line-poker/1.0"},
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"user-agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
        {"user-agent": "WhatsApp/2.23"},
        {"user-agent": "TelegramBot (like TwitterBot)"},
        {"user-agent": ""},
        PHONE | {"sec-purpose": "prefetch;prerender"},
    ],
    ids=lambda headers: headers["user-agent"][:20],
)
async def test_robots_are_sent_on_and_marked_and_get_no_cookie(
    ingest: Ingest, keys: LinkKeys, headers: dict[str, str]
) -> None:
    answer = await ingest.client.get(f"/r/{token(keys)}", headers=headers)

    assert answer.status_code == 302
    assert "set-cookie" not in answer.headers
    assert (clicks(ingest)[0].robot, clicks(ingest)[0].visitor) == (True, None)


async def test_a_head_request_is_a_robot_s(ingest: Ingest, keys: LinkKeys) -> None:
    answer = await ingest.client.head(f"/r/{token(keys)}", headers=PHONE)

    assert (answer.status_code, clicks(ingest)[0].robot) == (302, True)


async def test_a_person_is_not_stuck_when_the_click_cannot_be_recorded(ingest: Ingest, keys: LinkKeys) -> None:
    ingest.publisher.down = True

    answer = await ingest.client.get(f"/r/{token(keys)}", headers=PHONE)

    assert (answer.status_code, answer.headers["location"]) == (302, TARGET)
    assert ingest.publisher.timeouts == [1.0]
    assert "clicks_lost_total 1.0" in ingest.metrics()


async def test_a_link_that_is_not_ours_leads_nowhere(ingest: Ingest, keys: LinkKeys) -> None:
    good = token(keys)
    expired = token(keys, expires_at=utcnow() - timedelta(seconds=1))
    foreign = token(LinkKeys([("k1", b"y" * 32)]))
    for bad in (
        good[:-1],
        good.replace("c1.", "c2.", 1),
        expired,
        foreign,
        "x",
        "c1.k1.e30.AAAA",
        "https://evil.example",
    ):
        answer = await ingest.client.get(f"/r/{bad}", headers=PHONE)
        assert answer.status_code == 404
        assert "location" not in answer.headers
    assert ingest.publisher.records == []


@pytest.mark.parametrize("suffix", ["?url=https://evil.example", "?next=//evil.example", "#x"])
async def test_nothing_outside_the_token_decides_where_it_leads(ingest: Ingest, keys: LinkKeys, suffix: str) -> None:
    answer = await ingest.client.get(f"/r/{token(keys)}{suffix}", headers=PHONE | {"host": "evil.example"})

    assert answer.headers["location"] == TARGET
