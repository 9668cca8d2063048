"""What was once written to a topic stays readable for ever: a golden JSON for every event and version (design §3)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from services.insights.counters.readings import READERS
from shared import topics
from shared.asyncapi import message_name
from shared.events import (
    CAMPAIGN_EVENT,
    CONTRACTS,
    MEMBER_EVENT,
    TICKET_EVENT,
    WEB_EVENT,
    Event,
    MemberSnapshot,
    encode,
)
from shared.line_events import read_line_event

GOLDEN = Path(__file__).parent / "golden"
UNIONS: dict[str, TypeAdapter[Any]] = {
    topics.WEB_EVENTS: WEB_EVENT,
    topics.MEMBER_EVENTS: MEMBER_EVENT,
    topics.CAMPAIGN_EVENTS: CAMPAIGN_EVENT,
    topics.TICKET_EVENTS: TICKET_EVENT,
}
PAST_TENSE = (
    *("Received", "Clicked", "Viewed", "Hit", "Followed", "Unfollowed", "Attributed", "Bound", "Unbound"),
    *("Failed", "Sent", "Erased", "Tagged", "Untagged", "Changed", "Frozen", "Accepted", "Blocked"),
    *("Opened", "Closed", "Assigned", "Replied", "Breached"),
)
STATES = (MemberSnapshot,)
"""What a compacted topic holds is no event: it has no tense."""


@dataclass(frozen=True)
class Golden:
    """A golden file and the contract that must read it."""

    topic: str
    kind: type[Event]
    path: Path

    @property
    def content(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.path.read_bytes())
        return loaded

    @property
    def newest(self) -> bool:
        """Whether no later version of the contract has a golden: this one holds every field there is."""
        return self.path == max(self.path.parent.glob(f"{message_name(self.kind)}.v*.json"))

    def __str__(self) -> str:
        return f"{self.topic}/{self.path.name}"


CONTRACT_LIST = [(topic, kind) for topic, kinds in CONTRACTS.items() for kind in kinds]
GOLDENS = [
    Golden(topic, kind, path)
    for topic, kind in CONTRACT_LIST
    for path in sorted((GOLDEN / topic).glob(f"{message_name(kind)}.v*.json"))
]

each_golden = pytest.mark.parametrize("golden", GOLDENS, ids=str)
each_contract = pytest.mark.parametrize(("topic", "kind"), CONTRACT_LIST, ids=lambda value: str(value))


@each_contract
def test_every_contract_has_a_golden(topic: str, kind: type[Event]) -> None:
    assert any(golden.kind is kind for golden in GOLDENS), f"add {topic}/{message_name(kind)}.v1.json"


def test_every_golden_has_a_contract() -> None:
    assert sorted(GOLDEN.rglob("*.json")) == sorted(golden.path for golden in GOLDENS)


@each_golden
def test_a_golden_is_read_whole_and_written_the_same(golden: Golden) -> None:
    written = json.loads(encode(golden.kind.model_validate_json(golden.path.read_bytes())))
    later = {name for name, value in written.items() if name not in golden.content and not value}

    assert {name: value for name, value in written.items() if name not in later} == golden.content
    assert not (golden.newest and later)


@each_golden
def test_unknown_fields_are_ignored(golden: Golden) -> None:
    newer = golden.content | {"a_field_of_next_year": {"deep": [1]}}

    assert golden.kind.model_validate(newer) == golden.kind.model_validate(golden.content)


@each_golden
def test_optional_fields_may_be_absent(golden: Golden) -> None:
    fields = golden.kind.model_fields
    required = {name: value for name, value in golden.content.items() if fields[name].is_required()}

    read = golden.kind.model_validate(required)

    assert {name: getattr(read, name) for name in fields.keys() - required.keys()} == {
        name: field.get_default(call_default_factory=True) for name, field in fields.items() if not field.is_required()
    }


@each_golden
def test_an_event_cannot_be_changed(golden: Golden) -> None:
    event = golden.kind.model_validate(golden.content)

    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, next(iter(golden.kind.model_fields)), "other")


@pytest.mark.parametrize("golden", [golden for golden in GOLDENS if golden.topic in UNIONS], ids=str)
def test_a_topic_of_several_events_tells_them_apart(golden: Golden) -> None:
    assert type(UNIONS[golden.topic].validate_json(golden.path.read_bytes())) is golden.kind


@pytest.mark.parametrize("golden", [golden for golden in GOLDENS if golden.topic in READERS], ids=str)
def test_insights_reads_what_it_counts(golden: Golden) -> None:
    reading = READERS[golden.topic](golden.path.read_bytes())

    assert reading.channel == golden.content["channel"]


@pytest.mark.parametrize("golden", [golden for golden in GOLDENS if golden.topic == topics.LINE_EVENTS], ids=str)
def test_consumers_read_the_envelope(golden: Golden) -> None:
    event = read_line_event(golden.path.read_bytes())

    assert (event.channel, event.type) == (golden.content["channel"], golden.content["event"]["type"])
    assert event.body == golden.content["event"]


def test_events_are_facts_in_the_past_tense() -> None:
    events = [kind for _, kind in CONTRACT_LIST if kind not in STATES]

    assert [kind.__name__ for kind in events if not kind.__name__.endswith(PAST_TENSE)] == []


def test_only_known_topics_have_contracts() -> None:
    assert set(CONTRACTS) <= set(topics.BY_NAME)
