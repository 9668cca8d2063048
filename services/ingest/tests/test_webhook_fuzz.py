"""Whatever strangers send: never a 500, and nothing published that is not an event of a rightly signed webhook."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.tests.conftest import Ingest
from shared.line_events import read_line_event
from shared.testing.webhooks import DESTINATION, event, sign, webhook

RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
EVENT_FIELDS = st.sampled_from(
    ["type", "mode", "timestamp", "webhookEventId", "deliveryContext", "source", "message", "replyToken"]
)
ODD_EVENTS = st.dictionaries(EVENT_FIELDS, JSON_VALUES, max_size=6)


async def post(ingest: Ingest, body: bytes, signature: bytes) -> int:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json"), (b"x-line-signature", signature)]
    ingest.publisher.records.clear()
    return (await ingest.call("/webhook/coffee", headers, receive)).status


@RELAXED
@given(body=st.binary(max_size=400), signature=st.binary(max_size=60))
async def test_noise_is_401(ingest: Ingest, body: bytes, signature: bytes) -> None:
    assert await post(ingest, body, signature) == 401
    assert ingest.publisher.records == []


@RELAXED
@given(body=st.binary(max_size=400) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
async def test_signed_noise_is_400(ingest: Ingest, body: bytes) -> None:
    assert await post(ingest, body, sign(body).encode()) == 400
    assert ingest.publisher.records == []


@RELAXED
@given(data=st.data())
async def test_a_damaged_webhook_is_200_or_400_and_never_half_published(ingest: Ingest, data: st.DataObject) -> None:
    whole = webhook(event(message={"type": "text", "text": "冷氣"}), event("message"))
    at = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.sampled_from([b"", b"\xff", b'"', b"}", b"[", b"\x00", b"\\", b"0"]))
    body = whole[:at] + damage + whole[at + 1 :]

    status = await post(ingest, body, sign(body).encode())

    assert status in {200, 400}
    assert len(ingest.publisher.records) in ({0, 1, 2} if status == 200 else {0})
    for record in ingest.publisher.records:
        json.loads(record.value or b"")


@RELAXED
@given(events=st.lists(ODD_EVENTS, min_size=1, max_size=4))
async def test_odd_events_pass_byte_for_byte(ingest: Ingest, events: list[dict[str, Any]]) -> None:
    raw = [json.dumps(odd).encode() for odd in events]
    body = b'{ "events" : [ ' + b" ,\n".join(raw) + b' ], "destination":"' + DESTINATION.encode() + b'"}'

    assert await post(ingest, body, sign(body).encode()) in ({200} if is_unicode(events) else {200, 400})

    for sent, record in zip(raw, ingest.publisher.records, strict=False):
        assert (record.value or b"").endswith(b',"event":' + sent + b"}")
        assert all(isinstance(value, bytes) for _, value in record.headers)


def is_unicode(events: list[dict[str, Any]]) -> bool:
    """Whether no text holds half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in json.dumps(events, ensure_ascii=False))


async def test_what_is_published_is_what_consumers_read(ingest: Ingest) -> None:
    body = webhook(event("follow", "U" + "a" * 32))

    await post(ingest, body, sign(body).encode())

    read = read_line_event(ingest.publisher.records[0].value or b"")
    assert read.contact == "coffee:U" + "a" * 32
