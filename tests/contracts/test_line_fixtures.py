"""tests/fixtures/line holds a webhook for everything that LINE's own webhook.yml can tell apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ingest.metrics import KNOWN_TYPES

ROOT = Path(__file__).parents[2]
FIXTURES = sorted((ROOT / "tests/fixtures/line").glob("*.json"))
SPECIFICATION = ROOT / "simulator/openapi/webhook.yml"
NOT_IN_SPECIFICATION = {"messageEdited"}
"""LINE's reference has it since August 2026, its OpenAPI file not yet."""


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["components"]["schemas"]
    return loaded


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return [event for path in FIXTURES for event in json.loads(path.read_bytes())["events"]]


def values_at(events: list[dict[str, Any]], *path: str) -> set[str]:
    """Return every value found at a path, through lists."""
    found: list[Any] = list(events)
    for name in path:
        inner = [item.get(name) for item in found if isinstance(item, dict)]
        found = [each for item in inner for each in (item if isinstance(item, list) else [item])]
    return {item for item in found if isinstance(item, str)}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("Event", ("type",)),
        ("Source", ("source", "type")),
        ("MessageContent", ("message", "type")),
        ("Mentionee", ("message", "mention", "mentionees", "type")),
        ("MembershipContent", ("membership", "type")),
        ("ModuleContent", ("module", "type")),
    ],
)
def test_every_kind_has_a_fixture(
    schemas: dict[str, Any], events: list[dict[str, Any]], schema: str, path: tuple[str, ...]
) -> None:
    assert set(schemas[schema]["discriminator"]["mapping"]) <= values_at(events, *path)


def test_no_kind_of_the_specification_is_left_out_above(schemas: dict[str, Any]) -> None:
    polymorphic = {name for name, schema in schemas.items() if "discriminator" in schema}

    assert polymorphic == {"Event", "Source", "MessageContent", "Mentionee", "MembershipContent", "ModuleContent"}


@pytest.mark.parametrize(
    ("schema", "field", "path"),
    [
        ("ContentProvider", "type", ("message", "contentProvider", "type")),
        ("BeaconContent", "type", ("beacon", "type")),
        ("LinkContent", "result", ("link", "result")),
        ("EventMode", None, ("mode",)),
    ],
)
def test_every_value_of_an_enumeration_has_a_fixture(
    schemas: dict[str, Any], events: list[dict[str, Any]], schema: str, field: str | None, path: tuple[str, ...]
) -> None:
    values = schemas[schema]["properties"][field]["enum"] if field else schemas[schema]["enum"]

    assert set(values) <= values_at(events, *path)


def test_redelivered_unknown_and_sourceless_events_have_fixtures(events: list[dict[str, Any]]) -> None:
    assert any(event.get("deliveryContext", {}).get("isRedelivery") for event in events)
    assert any("source" not in event for event in events)
    assert any("webhookEventId" not in event for event in events)
    assert values_at(events, "type") - set(KNOWN_TYPES)


def test_ingest_knows_every_event_type_by_name(schemas: dict[str, Any]) -> None:
    assert set(KNOWN_TYPES) == set(schemas["Event"]["discriminator"]["mapping"]) | NOT_IN_SPECIFICATION


def test_the_specification_has_its_licence_beside_it() -> None:
    assert "Apache License" in (SPECIFICATION.parent / "LICENSE").read_text(encoding="utf-8")
