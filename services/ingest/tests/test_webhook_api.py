"""POST /webhook/{channel}: who is let in, what is published, what is answered."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.ingest.app import create_app
from services.ingest.tests.conftest import LIFF_ACCOUNT_SECRET, LIFF_DESTINATION, Ingest
from shared.clock import to_millis, utcnow
from shared.line_events import read_line_event
from shared.testing.webhooks import SECRET, event, sign, signed_headers, user_id, webhook
from shared.topics import LINE_EVENTS

JSON = "application/json"
DEEP = b"[" * 100_000 + b"]" * 100_000


async def post(ingest: Ingest, body: bytes, path: str = "/webhook/coffee", **headers: str) -> Any:
    return await ingest.client.post(path, content=body, headers=signed_headers(body) | headers)


async def test_every_event_becomes_a_record_with_its_own_bytes(ingest: Ingest) -> None:
    first, second = event("follow", user_id()), event("message", user_id(), message={"type": "text", "text": "冷氣"})
    body = webhook(first, second)

    answer = await post(ingest, body)

    assert (answer.status_code, answer.content) == (200, b"")
    assert [record.topic for record in ingest.publisher.records] == [LINE_EVENTS] * 2
    assert [record.key for record in ingest.publisher.records] == [
        f"coffee:{first['source']['userId']}".encode(),
        f"coffee:{second['source']['userId']}".encode(),
    ]
    value = ingest.publisher.records[1].value or b""
    raw = json.dumps(second, ensure_ascii=False, separators=(",", ":")).encode()
    assert value.endswith(b',"event":' + raw + b"}")
    assert read_line_event(value).id == second["webhookEventId"]
    headers = dict(ingest.publisher.records[1].headers)
    assert headers.pop("traceparent").startswith(b"00-")
    assert headers == {
        "event-type": b"message",
        "event-id": second["webhookEventId"].encode(),
        "redelivery": b"0",
        "mode": b"active",
    }


async def test_line_s_own_test_vector_is_accepted(ingest: Ingest, settings: Any) -> None:
    """The example of LINE's page "Verify webhook signature"."""
    channels = settings.channels_file
    text = channels.read_text().replace(SECRET, "8c570fa6dd201bb328f1c1eac23a96d8")
    channels.write_text(text.replace("Uc5f96e75c454fa23d827923c76e6b5d1", "U8e742f61d673b39c7fff3cecb7536ef0"))
    app = create_app(settings, publisher=ingest.publisher)
    body = b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}'
    signature = b"GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="
    vector = Ingest(app, ingest.publisher, ingest.client)
    headers = [(b"content-type", b"application/json"), (b"x-line-signature", signature)]

    assert (await vector.call("/webhook/coffee", headers, whole(body))).status == 200


def whole(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


BODY = webhook(event())
RIGHT = sign(BODY).encode()


@pytest.mark.parametrize(
    "signatures",
    [
        pytest.param([], id="missing"),
        pytest.param([b""], id="empty"),
        pytest.param([RIGHT, RIGHT], id="doubled"),
        pytest.param([RIGHT, b"x"], id="right-and-wrong"),
        pytest.param([RIGHT + b"," + RIGHT], id="folded"),
        pytest.param([sign(BODY + b" ").encode()], id="of-another-body"),
        pytest.param([sign(BODY, "f" * 32).encode()], id="of-another-secret"),
        pytest.param(["簽名".encode()], id="utf-8"),
        pytest.param([b"\xff\xfe" * 22], id="not-utf-8"),
        pytest.param([RIGHT[:-1]], id="cut"),
        pytest.param([RIGHT + b"="], id="longer"),
        pytest.param([RIGHT.lower()], id="lower-case"),
        pytest.param([b" " + RIGHT], id="padded"),
        pytest.param([b"A" * 100_000], id="huge"),
    ],
)
async def test_a_wrong_signature_is_401_and_nothing_is_published(ingest: Ingest, signatures: list[bytes]) -> None:
    headers = [(b"content-type", b"application/json"), *((b"x-line-signature", given) for given in signatures)]

    answer = await ingest.call("/webhook/coffee", headers, whole(BODY))

    assert answer.status == 401
    problem = json.loads(answer.body)
    assert set(problem) == {"type", "title", "status", "request_id"}
    assert problem["type"] == "/problems/bad-signature"
    assert answer.headers["content-type"] == "application/problem+json"
    assert ingest.publisher.records == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"destination":"%s"}' % b"Uc5f96e75c454fa23d827923c76e6b5d1",
        b'{"events":[]}',
        b'{"destination":null,"events":[]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":null}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":{}}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[1]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{},[]]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{"a":01}]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{"a":"\xff"}]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{"a":"\xed\xa0\x80"}]}',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{}]',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[]} x',
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[{"a":'
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}]}",
        b'{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":' + b'{"a":' * 100_000,
        b'\xef\xbb\xbf{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[]}',
        '{"destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[]}'.encode("utf-16"),
        webhook(event(), destination="U" + "0" * 32),
    ],
    ids=lambda body: body[:12].decode("latin-1") + f"…{len(body)}" if isinstance(body, bytes) else None,
)
async def test_a_signed_body_that_is_no_webhook_of_the_account_is_400(ingest: Ingest, body: bytes) -> None:
    answer = await post(ingest, body)

    assert answer.status_code == 400
    assert set(answer.json()) == {"type", "title", "status", "request_id"}
    assert ingest.publisher.records == []


async def test_another_account_s_signature_does_not_open_this_one(ingest: Ingest) -> None:
    theirs = webhook(event(), destination=LIFF_DESTINATION)

    stranger = await post(ingest, theirs, "/webhook/liff")
    misdirected = await post(ingest, BODY, "/webhook/liff", **{"x-line-signature": sign(BODY, LIFF_ACCOUNT_SECRET)})
    right = await post(ingest, theirs, "/webhook/liff", **{"x-line-signature": sign(theirs, LIFF_ACCOUNT_SECRET)})

    assert [answer.status_code for answer in (stranger, misdirected, right)] == [401, 400, 200]
    assert len(ingest.publisher.records) == 1


async def test_a_connection_check_is_200_and_publishes_nothing(ingest: Ingest) -> None:
    assert (await post(ingest, webhook())).status_code == 200
    assert ingest.publisher.records == []


async def test_doubled_keys_are_taken_as_json_takes_them(ingest: Ingest) -> None:
    body = b'{"destination":"x","destination":"Uc5f96e75c454fa23d827923c76e6b5d1","events":[1],"events":[{"type":"a"}]}'

    assert (await post(ingest, body)).status_code == 200
    assert len(ingest.publisher.records) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/webhook/nobody", 404),
        ("/webhook/", 404),
        ("/webhook", 404),
        ("/webhook/coffee/", 404),
        ("/webhook/Coffee", 404),
    ],
)
async def test_an_unknown_account_is_404(ingest: Ingest, path: str, status: int) -> None:
    assert (await post(ingest, BODY, path)).status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
async def test_only_post_is_allowed(ingest: Ingest, method: str) -> None:
    answer = await ingest.client.request(method, "/webhook/coffee")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        (JSON, 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON;charset=UTF-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
async def test_only_json_is_taken(ingest: Ingest, media_type: str, status: int) -> None:
    assert (await post(ingest, BODY, **{"content-type": media_type})).status_code == status


async def test_the_broker_being_down_is_503_in_time(ingest: Ingest) -> None:
    ingest.publisher.down = True

    answer = await post(ingest, BODY)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert 1.0 < ingest.publisher.timeouts[0] <= 1.3


async def test_standby_events_are_published_and_marked(ingest: Ingest) -> None:
    await post(ingest, webhook(event(mode="standby")))

    assert dict(ingest.publisher.records[0].headers)["mode"] == b"standby"


async def test_redelivered_and_week_old_events_are_published_and_marked(ingest: Ingest) -> None:
    old = to_millis(utcnow() - timedelta(days=7, minutes=1))
    fresh = to_millis(utcnow() - timedelta(days=6, hours=23))
    again = {"isRedelivery": True}

    await post(ingest, webhook(event(timestamp=old, deliveryContext=again), event(timestamp=fresh)))

    marks = [dict(record.headers) for record in ingest.publisher.records]
    assert [(mark["redelivery"], mark.get("late")) for mark in marks] == [(b"1", b"1"), (b"0", None)]
    assert "webhook_late_events_total 1.0" in ingest.metrics()


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"type": "group", "groupId": "C1", "userId": "U1"}, b"coffee:C1"),
        ({"type": "room", "roomId": "R1", "userId": "U1"}, b"coffee:R1"),
        ({"type": "user", "userId": "U1"}, b"coffee:U1"),
        ({"type": "user"}, b"coffee:bot"),
        ({"type": "planet", "planetId": 3}, b"coffee:bot"),
        ("a text", b"coffee:bot"),
        ({"userId": 5}, b"coffee:bot"),
        (None, b"coffee:bot"),
    ],
)
async def test_the_key_is_the_contact(ingest: Ingest, source: Any, key: bytes) -> None:
    assert (await post(ingest, webhook(event(source=source)))).status_code == 200

    assert ingest.publisher.records[0].key == key


async def test_common_fields_of_unheard_kinds_pass_and_the_rest_is_still_read(ingest: Ingest) -> None:
    odd = event("follow", "U1", timestamp="soon", webhookEventId=7, deliveryContext=[])

    assert (await post(ingest, webhook(odd))).status_code == 200

    record = ingest.publisher.records[0]
    assert record.key == b"coffee:U1"
    headers = dict(record.headers)
    assert headers["event-type"] == b"follow"
    assert headers["event-id"].startswith(b"sha256_")


async def test_unknown_types_are_counted_under_one_label(ingest: Ingest) -> None:
    await post(ingest, webhook(event("somethingNew"), event("otherNews"), event("follow")))

    page = ingest.metrics()
    assert 'webhook_events_total{type="other"} 2.0' in page
    assert 'webhook_events_total{type="follow"} 1.0' in page
    assert "somethingNew" not in page


async def test_the_caller_s_trace_goes_along(ingest: Ingest) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await post(ingest, BODY, traceparent=given)
    await post(ingest, BODY, traceparent="made up")

    traces = [dict(record.headers)["traceparent"] for record in ingest.publisher.records]
    assert traces[0] == given.encode()
    assert traces[1] != b"made up"


async def test_a_flood_of_tiny_events_is_refused_whole(ingest: Ingest) -> None:
    assert (await post(ingest, webhook(*[{}] * 10_001))).status_code == 413
    assert ingest.publisher.records == []


@pytest.mark.parametrize(("until", "status"), [(timedelta(hours=1), 200), (timedelta(hours=-1), 401)])
async def test_the_previous_secret_counts_while_its_window_lasts(
    ingest: Ingest, settings: Any, until: timedelta, status: int
) -> None:
    rotate(settings.channels_file, (utcnow() + until).isoformat())
    ingest.app = create_app(settings, publisher=ingest.publisher)
    headers = [(b"content-type", b"application/json"), (b"x-line-signature", RIGHT)]

    assert (await ingest.call("/webhook/coffee", headers, whole(BODY))).status == status
    counted = 'webhook_previous_secret_uses_total{channel="coffee"} 1.0' in ingest.metrics()
    assert counted == (status == 200)


def rotate(channels: Path, until: str) -> None:
    text = channels.read_text().replace(
        f"channel_secret: {SECRET}",
        f"channel_secret: {'d' * 32}\n  previous_channel_secret: {SECRET}\n  previous_secret_until: {until}",
    )
    channels.write_text(text)


async def test_the_public_side_shows_no_docs_metrics_or_health(ingest: Ingest) -> None:
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/health/live", "/health/ready", "/v1/dlq"):
        answer = await ingest.client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_metrics_page_parses_and_names_nobody(ingest: Ingest) -> None:
    user = user_id()
    await post(ingest, webhook(event(user=user)))
    await post(ingest, b"", f"/webhook/{user}")

    page = ingest.metrics()

    families = {family.name for family in text_string_to_metric_families(page)}
    assert {"http_requests", "http_request_seconds", "webhook_events", "producer_failures"} <= families
    assert user not in page
