"""Nobody gets two replies: the map of who answers covers LINE's events once, and binding keeps to it (design §2)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from services.binding.accountlinks.model import LinkOutcome
from services.binding.members.handlers import apply_events
from services.binding.members.model import Member
from shared.answering import BY_POSTBACK, EVENT_TYPES, POSTBACK_PREFIXES, answering_service
from shared.answers import ANSWER
from shared.arrivals import Arrived
from shared.channels import Channel, Greetings
from shared.line_events import LineEvent, read_line_event
from shared.testing.line_webhooks import envelope, event, user_id
from shared.topics import LINE_EVENTS

ROOT = Path(__file__).parents[2]
SPECIFICATION = ROOT / "simulator/openapi/webhook.yml"
FIXTURES = sorted((ROOT / "tests/fixtures/line").glob("*.json"))
NOT_IN_SPECIFICATION = {"messageEdited"}
"""LINE's reference has it since August 2026, its OpenAPI file not yet."""
SLUG = "musubi-coffee"
EVENTS = [
    pytest.param(raw, id=f"{path.stem}-{number}")
    for path in FIXTURES
    for number, raw in enumerate(json.loads(path.read_bytes())["events"])
]
each_event = pytest.mark.parametrize("raw", EVENTS)


@pytest.fixture(scope="module")
def channel() -> Channel:
    """An account that has a text for everything it could answer."""
    return Channel(
        slug=SLUG,
        name="Coffee",
        destination="U" + "f" * 32,
        basic_id="@coffee",
        channel_secret=SecretStr("s" * 32),
        access_token=SecretStr("t" * 100),
        timezone="Asia/Taipei",
        language="en",
        greetings=Greetings(new="welcome", returning="again", linked="linked", link_failed="not linked"),
    )


def received(raw: dict[str, Any]) -> LineEvent:
    return read_line_event(envelope(SLUG, raw))


def answers(line_event: LineEvent, channel: Channel, after: timedelta) -> Sequence[str]:
    """Return the purposes of what binding would say to this event, handled so long after it happened."""
    assert line_event.contact is not None
    now = line_event.at + after
    member = Member(id="mbr_1", channel=SLUG, created_at=now, updated_at=now)
    links = {line_event.id: LinkOutcome("A-1", None)}

    def clock() -> datetime:
        return now

    arrived = [Arrived(line_event, LINE_EVENTS, 0)]
    change = apply_events(member, line_event.contact, arrived, channel, links, clock)
    return [item["purpose"] for item in change.sends if item["do"] == ANSWER]


def user_event(raw: dict[str, Any]) -> LineEvent:
    """Return an event as binding's user handler would see it: whatever it is, let it come from a user."""
    return received(raw | {"source": {"type": "user", "userId": user_id(1)}})


def test_each_event_type_of_line_is_in_the_map_exactly_once() -> None:
    schemas = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))["components"]["schemas"]
    ours = Counter(name for _, names in EVENT_TYPES for name in names)

    assert set(ours) == set(schemas["Event"]["discriminator"]["mapping"]) | NOT_IN_SPECIFICATION
    assert set(ours.values()) == {1}


def test_each_postback_prefix_is_in_the_map_exactly_once() -> None:
    ours = Counter(name for _, names in POSTBACK_PREFIXES for name in names)

    assert set(ours.values()) == {1}


def test_only_services_answer() -> None:
    named = {service for service, _ in (*EVENT_TYPES, *POSTBACK_PREFIXES)}

    assert named == {None, BY_POSTBACK, "binding", "ticketing", "broadcast"}


@pytest.mark.parametrize(
    ("data", "service"),
    [
        ("a=coupon.claim&c=1", "binding"),
        ("x=1&a=faq.open", "ticketing"),
        ("a=camp.vote", "broadcast"),
        ("a=menu.switch", None),
        ("a=nothing.we.know", None),
        ("free text of an older menu", None),
        ("", None),
    ],
)
def test_a_postback_is_answered_by_the_service_of_its_prefix(data: str, service: str | None) -> None:
    assert answering_service(received(event("postback", user_id(1), postback={"data": data}))) == service


@each_event
def test_an_event_in_standby_is_answered_by_nobody(raw: dict[str, Any]) -> None:
    assert answering_service(received(raw | {"mode": "standby"})) is None


def test_an_unknown_event_is_answered_by_nobody() -> None:
    assert answering_service(received(event("brandNewType", user_id(1)))) is None


@each_event
def test_binding_answers_only_events_it_owns(raw: dict[str, Any], channel: Channel) -> None:
    line_event = user_event(raw)
    said = answers(line_event, channel, timedelta(seconds=1))

    assert len(said) <= 1
    if said:
        assert answering_service(line_event) == "binding"
    speaks = line_event.type in {"follow", "accountLink"} and line_event.answerable
    assert bool(said) == speaks, f"{line_event.type} led to {said}"


@each_event
def test_binding_answers_nothing_in_standby(raw: dict[str, Any], channel: Channel) -> None:
    assert answers(user_event(raw | {"mode": "standby"}), channel, timedelta(seconds=1)) == []


@each_event
def test_binding_answers_nothing_older_than_an_hour(raw: dict[str, Any], channel: Channel) -> None:
    assert answers(user_event(raw), channel, timedelta(hours=1, seconds=1)) == []


def test_the_fixtures_hold_what_binding_answers() -> None:
    kinds = {raw["type"] for path in FIXTURES for raw in json.loads(path.read_bytes())["events"]}

    assert {"follow", "accountLink"} <= kinds
