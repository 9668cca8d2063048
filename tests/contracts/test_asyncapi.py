"""docs/asyncapi says what the code does: generated, fresh, and its headers are those that are written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from starlette.requests import Request
from typer.testing import CliRunner

from musubi.app import app
from musubi.commands import asyncapi
from services.ingest.web import fact
from services.ingest.webhook.model import prepare
from shared import topics
from shared.asyncapi import HEADERS, document, render
from shared.consumer.dead_letters import OWN_HEADERS
from shared.consumer.records import EVENT_ID
from shared.events import CONTRACTS, LinkClicked, MemberSnapshot, MemberUnfollowed
from shared.outbox import VERSION, publication

AT = datetime(2026, 8, 1, tzinfo=UTC)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(root: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        root = root[part]
    return root


def header_names(topic: str) -> set[str]:
    return {name for name, _ in HEADERS[topic]}


def test_the_file_is_fresh() -> None:
    written = asyncapi.DOCUMENT.read_text(encoding="utf-8") if asyncapi.DOCUMENT.is_file() else ""

    assert written == render(), "stale: run `make asyncapi`"


def test_the_check_finds_a_stale_file_and_the_command_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncapi, "CHECKOUT", tmp_path)
    monkeypatch.setattr(asyncapi, "DOCUMENT", tmp_path / "docs" / "musubi.yaml")
    run = CliRunner().invoke

    stale = run(app, ["asyncapi", "--check"])
    assert (stale.exit_code, asyncapi.DOCUMENT.exists()) == (1, False)
    assert "make asyncapi" in stale.output

    assert run(app, ["asyncapi"]).exit_code == 0
    assert run(app, ["asyncapi", "--check"]).exit_code == 0


def test_it_is_asyncapi_3_and_every_reference_leads_somewhere() -> None:
    content = yaml.safe_load(render())

    assert content == document()
    ApplicationSchema.model_validate(content)
    assert all(resolve(content, reference) for reference in references(content))


def test_every_topic_is_a_channel_as_the_topic_job_makes_it() -> None:
    channels = document()["channels"]

    assert set(channels) == set(topics.BY_NAME)
    for name, topic in topics.BY_NAME.items():
        kafka = channels[name]["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert str(kafka["topicConfiguration"]["retention.ms"]) == topic.config["retention.ms"]
        assert kafka["topicConfiguration"]["cleanup.policy"] == [topic.config["cleanup.policy"]]


def test_every_contract_is_a_message_with_its_schema() -> None:
    components = document()["components"]

    for kinds in CONTRACTS.values():
        for kind in kinds:
            message = next(entry for entry in components["messages"].values() if entry["name"] == kind.__name__)
            assert message["payload"] == {"$ref": f"#/components/schemas/{kind.__name__}"}
            assert set(components["schemas"][kind.__name__]["properties"]) == set(kind.model_fields)


def test_the_headers_of_line_events_are_those_that_ingest_writes() -> None:
    old = b'{"type":"follow","timestamp":0,"webhookEventId":"e","deliveryContext":{"isRedelivery":true}}'
    written = prepare(old, "shop", b"", 10**12, b"00-0-0-01").headers

    assert {name for name, _ in written} == header_names(topics.LINE_EVENTS)


@pytest.mark.parametrize("topic", [topics.WEB_EVENTS, topics.COMMERCE_EVENTS])
def test_the_headers_of_facts_are_those_that_ingest_writes(topic: str) -> None:
    click = LinkClicked(id="clk_1", channel="shop", occurred_at=AT, link="l", url="https://shop.example")
    written = fact(topic, click, None, click.type, Request({"type": "http", "headers": []})).headers

    assert {name for name, _ in written} == header_names(topic)


@pytest.mark.parametrize("topic", [topics.MEMBER_EVENTS, topics.LINE_SENT])
def test_a_fact_on_the_outbox_carries_its_id(topic: str) -> None:
    event = MemberUnfollowed(id="mev_1", channel="shop", occurred_at=AT, member="mbr_1")

    assert publication(topic, "mbr_1", event, event.id)["event_id"] == event.id
    assert header_names(topic) == {EVENT_ID}


def test_a_snapshot_on_the_outbox_carries_its_version() -> None:
    snapshot = MemberSnapshot(id="mbr_1", version=7, channel="shop", created_at=AT, updated_at=AT)

    assert publication(topics.MEMBER_STATE, "mbr_1", snapshot, "mbr_1.v7")["version"] == "7"
    assert header_names(topics.MEMBER_STATE) == {VERSION}


def test_the_headers_of_dead_letters_are_those_that_are_written() -> None:
    message = document()["components"]["messages"]["dead_letter"]

    assert set(message["headers"]["properties"]) == OWN_HEADERS
