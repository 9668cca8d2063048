"""Which processes a stack has: stack.json's shape, each process's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.local.keys import key_files
from deploy.local.layout import Layout, choose_replicas, choose_simulator_port
from deploy.local.paths import Home
from deploy.local.ports import Ports
from deploy.local.programs import SERVICE_NAMES


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two binding processes, one of each other service, servers that were given."""
    ports = Ports(tmp_path / "ports.json", anywhere=True)
    return Layout(
        kafka_url="127.0.0.1:9092",
        mongo_url="mongodb://127.0.0.1:27017",
        servers=(),
        simulator_port=choose_simulator_port(ports, set()),
        replicas=choose_replicas(ports, {"binding": 2}, set()),
        files=key_files(Home(tmp_path)),
    )


def test_scripts_find_every_service_and_each_replica(layout: Layout) -> None:
    facts = layout.facts()
    assert facts["kafka"] == "127.0.0.1:9092"
    assert facts["services"].keys() == set(SERVICE_NAMES)
    assert facts["services"]["ingest"].keys() == {"public", "ops"}
    assert facts["services"]["binding"].keys() == {"api", "ops"}
    assert len(facts["replicas"]["binding"]) == 2
    assert facts["replicas"]["binding"][0] == facts["services"]["binding"]
    assert facts["line"].keys() >= {"api", "data", "login", "phone", "control"}
    for name in ("channels_file", "admin_key_file"):
        assert Path(facts[name]).is_file()


def test_stack_json_holds_no_secret(layout: Layout) -> None:
    assert layout.files is not None
    text = json.dumps(layout.facts())
    assert layout.files.admin_key.read_text().strip() not in text


def test_replicas_have_ports_of_their_own(layout: Layout) -> None:
    used = [port for replica in layout.replicas for port in (replica.port, replica.ops_port)]
    assert len(set(used)) == len(used)


def test_ingest_is_given_no_database(layout: Layout) -> None:
    settings = {program.name: program.environment for program in layout.programs()}
    assert "MONGO_URL" not in settings["ingest-1"]
    assert "MONGO_URL" in settings["binding-2"]


def test_each_consuming_replica_is_a_member_of_its_own(layout: Layout) -> None:
    members = {program.name: program.environment.get("GROUP_INSTANCE_ID") for program in layout.programs()}
    assert {name: member for name, member in members.items() if member} == {
        replica.name: replica.name for replica in layout.replicas if replica.service.stores
    }


def test_the_stand_in_delivers_to_the_first_ingest(layout: Layout) -> None:
    settings = {program.name: program.environment for program in layout.programs()}
    assert settings["simulator"]["WEBHOOK_BASE_URL"] == layout.of("ingest")[0].addresses["public"]
    assert settings["binding-1"]["LINE_API_URL"] == layout.line["api"]
