"""POST /callback/{source}: the standard-webhooks rules, and what a callback becomes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from services.ingest.app import create_app
from services.ingest.settings import IngestSettings
from services.ingest.tests.conftest import Ingest
from shared.channels import BadFile
from shared.clock import utcnow
from shared.events import CommerceReceived
from shared.testing.webhooks import CALLBACK_SECRET, account, write_files
from shared.topics import COMMERCE_EVENTS

ORDER = {"type": "order.paid", "timestamp": "2026-11-23T10:00:00+08:00", "data": {"customer_id": "C-77", "total": 120}}


def now_seconds() -> str:
    return str(int(utcnow().timestamp()))


def signature(webhook_id: str, timestamp: str, body: bytes, secret: str = CALLBACK_SECRET) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def headers_for(body: bytes, webhook_id: str = "msg_1", timestamp: str | None = None) -> dict[str, str]:
    timestamp = timestamp or now_seconds()
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(webhook_id, timestamp, body),
    }


async def post(ingest: Ingest, content: Any = ORDER, path: str = "/callback/shop", **changed: str) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await ingest.client.post(path, content=body, headers=headers_for(body) | changed)


async def test_a_callback_becomes_a_fact_keyed_by_its_customer(ingest: Ingest) -> None:
    answer = await post(ingest)

    assert answer.status_code == 202
    [record] = ingest.publisher.records
    assert (record.topic, record.key) == (COMMERCE_EVENTS, b"C-77")
    fact = CommerceReceived.model_validate_json(record.value or b"")
    assert (fact.id, fact.type, fact.kind, fact.source, fact.channel) == (
        answer.json()["id"],
        "order.paid",
        "orders",
        "shop",
        "coffee",
    )
    assert fact.data == ORDER["data"]
    assert fact.occurred_at.isoformat() == "2026-11-23T10:00:00+08:00"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"customer_key": "K", "customer_id": "I"}, b"K"),
        ({"customer_id": 5}, b"5"),
        ({"customer_id": ""}, None),
        ({}, None),
    ],
)
async def test_the_key_is_the_customer_or_the_fact(ingest: Ingest, data: dict[str, Any], key: bytes | None) -> None:
    answer = await post(ingest, ORDER | {"data": data})

    assert ingest.publisher.records[0].key == (key or answer.json()["id"].encode())


async def test_a_repeated_callback_has_the_same_id_and_another_has_not(ingest: Ingest) -> None:
    body = json.dumps(ORDER).encode()
    ids = []
    for webhook_id in ("msg_1", "msg_1", "msg_2"):
        headers = headers_for(body, webhook_id)
        ids.append((await ingest.client.post("/callback/shop", content=body, headers=headers)).json()["id"])

    assert ids[0] == ids[1] != ids[2]


async def test_one_right_signature_of_several_is_enough(ingest: Ingest) -> None:
    body = json.dumps(ORDER).encode()
    right = signature("msg_1", now_seconds(), body)

    assert (await post(ingest, **{"webhook-signature": f"v1,AAAA v1a,xyz {right}"})).status_code == 202


MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": ""},
        {"webhook-id": "msg_2"},
        {"webhook-id": "a b"},
        {"webhook-id": "x" * 300},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v2," + "A" * 44},
    ],
    ids=lambda changed: ",".join(f"{name}={value[:12]}" for name, value in changed.items()),
)
async def test_a_wrong_header_is_401(ingest: Ingest, changed: dict[str, str]) -> None:
    answer = await post(ingest, **changed)

    assert answer.status_code == 401
    assert ingest.publisher.records == []


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_missing_or_doubled_header_is_401(ingest: Ingest, missing: str) -> None:
    body = json.dumps(ORDER).encode()
    headers = headers_for(body)
    doubled = [*headers.items(), (missing, headers[missing])]
    without = [(name, value) for name, value in headers.items() if name != missing]

    for given in (doubled, without):
        assert (await ingest.client.post("/callback/shop", content=body, headers=given)).status_code == 401


@pytest.mark.parametrize(("offset", "status"), [(-4, 202), (4, 202), (-6, 401), (6, 401)])
async def test_the_time_must_be_within_five_minutes(ingest: Ingest, offset: int, status: int) -> None:
    body = json.dumps(ORDER).encode()
    timestamp = str(int((utcnow() + offset * MINUTES).timestamp()))
    headers = headers_for(body, timestamp=timestamp)

    assert (await ingest.client.post("/callback/shop", content=body, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"a":' * 5000,
        {"type": "a", "timestamp": "2026-11-23T10:00:00Z"},
        {"type": "", "timestamp": "2026-11-23T10:00:00Z", "data": {}},
        {"type": "a", "timestamp": "2026-11-23T10:00:00", "data": {}},
        {"type": "a", "timestamp": "yesterday", "data": {}},
        {"type": "a", "timestamp": "2026-11-23T10:00:00Z", "data": []},
        {"timestamp": "2026-11-23T10:00:00Z", "data": {}},
    ],
    ids=str,
)
async def test_a_signed_callback_of_another_form_is_400(ingest: Ingest, content: Any) -> None:
    assert (await post(ingest, content)).status_code == 400
    assert ingest.publisher.records == []


async def test_unknown_sources_methods_and_media_types_are_refused(ingest: Ingest) -> None:
    assert (await post(ingest, path="/callback/nobody")).status_code == 404
    assert (await ingest.client.get("/callback/shop")).status_code == 405
    assert (await post(ingest, **{"content-type": "text/plain"})).status_code == 415


async def test_the_broker_being_down_is_503(ingest: Ingest) -> None:
    ingest.publisher.down = True

    assert (await post(ingest)).status_code == 503


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"slug": "a", "kind": "orders", "channel": "nobody", "secrets": [CALLBACK_SECRET]}, "names no channel"),
        ({"slug": "a", "kind": "gifts", "channel": "coffee", "secrets": [CALLBACK_SECRET]}, "kind"),
        ({"slug": "a", "kind": "orders", "channel": "coffee", "secrets": []}, "secrets"),
        ({"slug": "a", "kind": "orders", "channel": "coffee", "secrets": ["whsec_short"]}, "base64 of at least"),
    ],
)
def test_a_wrong_callbacks_file_is_explained_without_its_secrets(
    settings: IngestSettings, entry: dict[str, Any], says: str
) -> None:
    write_files(settings.callbacks_file.parent, [account("coffee")], [entry])

    with pytest.raises(BadFile, match=says) as refused:
        create_app(settings)

    assert "whsec_short" not in str(refused.value)
