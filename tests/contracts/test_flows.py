"""The map of who writes and who reads which topic is what the services' code does."""

from __future__ import annotations

import ast
import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.binding import app as binding
from services.binding.settings import BindingSettings
from services.broadcast import app as broadcast
from services.broadcast.settings import BroadcastSettings
from services.insights import app as insights
from services.insights.settings import InsightsSettings
from services.ticketing import app as ticketing
from services.ticketing.settings import TicketingSettings
from shared import topics
from shared.events import CONTRACTS, ContactState, Event, LineEventReceived, MessageSent, PersonErased
from shared.flows import CONSUMES, FOLLOWS, SENDS

SERVICES = Path(__file__).parents[2] / "services"
WRITTEN_BY_SHARED_CODE = {LineEventReceived.__name__, PersonErased.__name__, MessageSent.__name__}
"""ingest writes the envelope as bytes, on the hot path; shared/erasures.py and shared/answers make the others."""


class Wired(Exception):
    """Ends the wiring once the handlers are known."""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings of a service that will contact nobody."""
    files = {
        "channels_file": "[]",
        "admin_keys_file": yaml.safe_dump([{"id": "a", "sha256": hashlib.sha256(b"").hexdigest(), "role": "admin"}]),
        "link_key_file": yaml.safe_dump([{"id": "k1", "secret": base64.b64encode(bytes(32)).decode()}]),
        "erasure_key_file": base64.b64encode(bytes(32)).decode(),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    paths = {name: tmp_path / name for name in files}
    servers = {"kafka_url": "127.0.0.1:1", "mongo_url": "mongodb://127.0.0.1:1", "public_url": "http://127.0.0.1"}
    return {**paths, **servers, "port": 0, "ops_port": 0}


@pytest.mark.parametrize(
    ("module", "kind", "service"),
    [
        (binding, BindingSettings, "binding"),
        (broadcast, BroadcastSettings, "broadcast"),
        (insights, InsightsSettings, "insights"),
        (ticketing, TicketingSettings, "ticketing"),
    ],
)
async def test_a_service_has_handlers_for_what_the_map_says(
    module: Any, kind: Any, service: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[str] = []

    def consumer(_: object, handlers: Mapping[str, object], *others: object) -> None:
        handled.extend(handlers)
        raise Wired

    monkeypatch.setattr(module, "Consumer", consumer)
    with pytest.raises(Wired):
        module.create_app(kind(**settings))

    assert sorted(handled) == sorted(CONSUMES[service])


def sources(service: str) -> Iterator[ast.Module]:
    for path in (SERVICES / service).rglob("*.py"):
        if "tests" not in path.parts:
            yield ast.parse(path.read_text(encoding="utf-8"))


def constructed(service: str) -> set[str]:
    """The contracts that a service's code constructs."""
    known = {kind.__name__ for kinds in CONTRACTS.values() for kind in kinds} - {ContactState.__name__}
    return {
        node.func.id
        for module in sources(service)
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known
    }


def named_topics(service: str) -> set[str]:
    """The topics that a service's code names, by their constants."""
    constants = {name: value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)}
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for module in sources(service)
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute | ast.Name)
    }
    return {value for name, value in constants.items() if name in names}


@pytest.mark.parametrize("service", ["ingest", "binding", "broadcast", "insights", "ticketing"])
def test_a_service_writes_what_the_map_says(service: str) -> None:
    sent = {kind.__name__ for kinds in SENDS.get(service, {}).values() for kind in kinds}

    assert constructed(service) - WRITTEN_BY_SHARED_CODE == sent - WRITTEN_BY_SHARED_CODE


@pytest.mark.parametrize("service", ["ingest", "binding", "broadcast", "insights", "ticketing"])
def test_a_service_names_no_other_topics(service: str) -> None:
    unnamed = {*FOLLOWS.get(service, ()), *(topic for topic, kinds in SENDS.get(service, {}).items() if shared(kinds))}

    assert named_topics(service) | unnamed == {*SENDS.get(service, {}), *CONSUMES.get(service, ()), *unnamed}


def shared(kinds: Iterable[type[Event]]) -> bool:
    """Whether shared code alone writes these."""
    return {kind.__name__ for kind in kinds} <= WRITTEN_BY_SHARED_CODE


def test_the_map_covers_every_service_there_is() -> None:
    there = {path.parent.name for path in SERVICES.glob("*/__main__.py")}

    assert there == SENDS.keys() | CONSUMES.keys()
    assert CONSUMES.keys() == FOLLOWS.keys() <= set(topics.CONSUMING_SERVICES)


def test_what_is_written_belongs_on_its_topic() -> None:
    for flows in SENDS.values():
        for topic, kinds in flows.items():
            assert set(kinds) <= set(CONTRACTS[topic])
