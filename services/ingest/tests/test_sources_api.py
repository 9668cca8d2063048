"""GET /s/{code} and the LIFF page: where new friends come from, by name only where LINE vouches."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from aiohttp import web

from services.ingest.app import create_app
from services.ingest.settings import IngestSettings
from services.ingest.tests.conftest import Ingest
from shared.events import SourceHit
from shared.links import LinkKeys

PHONE = {"user-agent": "Mozilla/5.0 (Linux; Android 15) Chrome Line/15.0.0"}
USER = "U" + "7" * 32


class LineLogin:
    """LINE's ID token check, answering what a test wants."""

    def __init__(self) -> None:
        self.forms: list[dict[str, Any]] = []
        self.status = 200
        self.payload: Any = {"sub": USER, "aud": "1234567890", "iss": "https://access.line.me"}
        self.delay = 0.0

    async def verify(self, request: web.Request) -> web.Response:
        self.forms.append(dict(await request.post()))
        await asyncio.sleep(self.delay)
        return web.json_response(self.payload, status=self.status)


@pytest.fixture
async def line(ingest: Ingest, settings: IngestSettings) -> AsyncIterator[LineLogin]:
    """A LINE of one's own, and ingest wired to it with its lifespan entered."""
    login = LineLogin()
    app = web.Application()
    app.router.add_post("/oauth2/v2.1/verify", login.verify)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    wired = settings.model_copy(update={"line_api_url": f"http://{host}:{port}"})
    ingest.app = create_app(wired, publisher=ingest.publisher)
    ingest.client._transport.app = ingest.app.api  # type: ignore[attr-defined]
    async with ingest.app.lifespan():
        yield login
    await runner.cleanup()


def code(settings: IngestSettings, channel: str, source: str = "window") -> str:
    return LinkKeys.load(settings.link_key_file).sign_source(channel=channel, source=source)


def hits(ingest: Ingest) -> list[SourceHit]:
    return [SourceHit.model_validate_json(record.value or b"") for record in ingest.publisher.records]


async def test_without_liff_the_hit_is_recorded_and_the_add_friend_screen_opens(
    ingest: Ingest, settings: IngestSettings
) -> None:
    answer = await ingest.client.get(f"/s/{code(settings, 'coffee')}", headers=PHONE)

    assert (answer.status_code, answer.headers["location"]) == (302, "https://me.example.com/R/ti/p/@coffee")
    [hit] = hits(ingest)
    assert (hit.channel, hit.source, hit.contact, hit.robot) == ("coffee", "window", None, False)
    assert hit.visitor
    assert hit.visitor in answer.headers["set-cookie"]


async def test_with_liff_the_person_goes_through_it_first(ingest: Ingest, settings: IngestSettings) -> None:
    source = code(settings, "liff")

    answer = await ingest.client.get(f"/s/{source}", headers=PHONE)

    assert answer.headers["location"] == f"https://liff.example.com/1234567890-abcdefgh?code={source}"
    assert ingest.publisher.records == []


async def test_robots_go_straight_to_the_add_friend_screen(ingest: Ingest, settings: IngestSettings) -> None:
    answer = await ingest.client.get(f"/s/{code(settings, 'liff')}", headers={"user-agent": "line-poker/1.0"})

    assert answer.headers["location"] == "https://me.example.com/R/ti/p/@liff"
    assert [(hit.robot, hit.visitor) for hit in hits(ingest)] == [(True, None)]


async def test_a_code_that_is_not_ours_leads_nowhere(ingest: Ingest, settings: IngestSettings) -> None:
    good = code(settings, "coffee")
    for bad in (good[:-1] + "!", good.replace("window", "door"), code(settings, "nobody"), "x", "a.b.c", "é.b.k1"):
        assert (await ingest.client.get(f"/s/{quote(bad)}", headers=PHONE)).status_code == 404
    assert ingest.publisher.records == []


def queries(source: str) -> list[str]:
    """Return the queries with which LIFF opens its endpoint: plain, first redirect, after a log-in, with LINE's own."""
    returned = quote(f"https://crm.example.com/liff/source?code={source}", safe="")
    return [
        f"code={source}",
        f"liff.state={quote(f'?code={source}', safe='')}",
        f"code=oauth&state=s&liffClientId=1&liffRedirectUri={returned}",
        f"code={source}&code=oauth",
    ]


@pytest.mark.parametrize("form", range(4))
async def test_the_page_finds_its_code_wherever_liff_puts_it(
    ingest: Ingest, settings: IngestSettings, form: int
) -> None:
    source = code(settings, "liff")

    page = await ingest.client.get(f"/liff/source?{queries(source)[form]}", headers=PHONE)

    assert page.status_code == 200
    found = re.search(r'<script id="source" type="application/json">(.*?)</script>', page.text)
    assert found
    assert json.loads(found[1]) == {
        "code": source,
        "liffId": "1234567890-abcdefgh",
        "addFriendUrl": "https://me.example.com/R/ti/p/@liff",
    }
    assert '<html lang="ja">' in page.text
    assert "友だち追加" in page.text


async def test_the_page_lets_only_its_own_script_and_line_s_run(ingest: Ingest, settings: IngestSettings) -> None:
    first, second = [await ingest.client.get(f"/liff/source?code={code(settings, 'liff')}") for _ in range(2)]

    policy = first.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)' https://static\.line-scdn\.net;", policy)
    assert nonce
    assert first.text.count(f'nonce="{nonce[1]}"') == 3
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy != second.headers["content-security-policy"]
    assert first.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("query", ["", "code=x", "liff.state=http%3A%2F%2F%5B", "code=a.b.c"])
async def test_a_page_without_a_code_of_ours_is_404(ingest: Ingest, query: str) -> None:
    assert (await ingest.client.get(f"/liff/source?{query}")).status_code == 404


async def report(ingest: Ingest, source: str, **more: Any) -> Any:
    return await ingest.client.post("/liff/source", json={"code": source, **more}, headers=PHONE)


async def test_a_token_that_line_vouches_for_names_the_contact(
    ingest: Ingest, line: LineLogin, settings: IngestSettings
) -> None:
    answer = await report(ingest, code(settings, "liff"), id_token="header.payload.signature")

    assert (answer.status_code, answer.json()) == (200, {"add_friend_url": "https://me.example.com/R/ti/p/@liff"})
    assert line.forms == [{"id_token": "header.payload.signature", "client_id": "1234567890"}]
    [hit] = hits(ingest)
    assert hit.contact == f"liff:{USER}"
    assert ingest.publisher.records[0].key == f"liff:{USER}".encode()


@pytest.mark.parametrize(
    ("status", "payload"),
    [
        (400, {"error": "invalid_request", "error_description": "Invalid IdToken."}),
        (200, {"sub": USER, "aud": "another"}),
        (200, {"sub": "not-a-user", "aud": "1234567890"}),
    ],
)
async def test_a_token_that_does_not_verify_is_401_and_nothing_is_recorded(
    ingest: Ingest, line: LineLogin, settings: IngestSettings, status: int, payload: Any
) -> None:
    line.status, line.payload = status, payload

    assert (await report(ingest, code(settings, "liff"), id_token="x")).status_code == 401
    assert ingest.publisher.records == []


@pytest.mark.parametrize(
    ("status", "payload", "delay"),
    [(500, {}, 0.0), (429, {}, 0.0), (200, ["odd"], 0.0), (200, {}, 0.0), (200, {}, 5.0)],
)
async def test_line_out_of_reach_costs_the_name_not_the_friend(
    ingest: Ingest, line: LineLogin, settings: IngestSettings, status: int, payload: Any, delay: float
) -> None:
    line.status, line.payload, line.delay = status, payload, delay

    answer = await report(ingest, code(settings, "liff"), id_token="x")

    assert answer.json()["add_friend_url"].endswith("@liff")
    assert [hit.contact for hit in hits(ingest)] == [None]


async def test_a_browser_without_a_token_is_a_visitor(
    ingest: Ingest, line: LineLogin, settings: IngestSettings
) -> None:
    assert (await report(ingest, code(settings, "liff"), id_token=None)).status_code == 200
    assert line.forms == []
    assert [hit.contact for hit in hits(ingest)] == [None]


async def test_reports_of_another_form_are_400_or_415(ingest: Ingest) -> None:
    for body in (b"", b"[]", b"{}", b'{"code":5}', b'{"code":"x"}', b"\xff"):
        answer = await ingest.client.post("/liff/source", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400
    assert (await ingest.client.post("/liff/source", data={"code": "x"})).status_code == 415
    assert (await ingest.client.put("/liff/source")).status_code == 405


async def test_a_hit_that_cannot_be_recorded_is_counted_and_the_person_goes_on(
    ingest: Ingest, settings: IngestSettings
) -> None:
    ingest.publisher.down = True

    answer = await ingest.client.get(f"/s/{code(settings, 'coffee')}", headers=PHONE)

    assert answer.status_code == 302
    assert "source_hits_lost_total 1.0" in ingest.metrics()


def test_a_source_s_code_is_short_readable_and_needs_no_escaping(settings: IngestSettings) -> None:
    source = code(settings, "coffee", "window-2026")

    assert source.startswith("coffee.window-2026.k1")
    assert len(source) < 50
    assert dict(parse_qsl(urlsplit(f"x?code={source}").query)) == {"code": source}
