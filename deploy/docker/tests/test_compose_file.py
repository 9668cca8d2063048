"""docker-compose.yml says what the code says, and gives each container no more than it needs. No engine is asked."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from deploy.docker.engine import FILE, LOOPBACK_FILE
from deploy.docker.layout import PUBLISHED, variable
from deploy.local import images, kafka
from deploy.local.keys import container_key_files
from deploy.local.paths import CHECKOUT, CONTAINER_HOME, Home
from deploy.local.programs import SERVICES, SIMULATOR_PORT, Service
from deploy.topics.__main__ import TopicJobSettings
from shared.producer import CLOSE_SECONDS
from simulator.settings import SimulatorSettings

LOOPBACK = "127.0.0.1:"
SETTINGS_OF: dict[str, type[BaseSettings]] = {"simulator": SimulatorSettings, "topics": TopicJobSettings}
FROM_THE_IMAGE = {"HOST"}
"""Settings that deploy/Dockerfile gives."""
DRAIN_SECONDS = 20
"""How long a consumer may take to finish what it has in work (design §12)."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^{}]*))?\}")


def resolved(text: str, environment: dict[str, str] | None = None) -> str:
    """Fill in variables as compose does where nothing is set."""
    return _VARIABLE.sub(lambda match: (environment or {}).get(match[1], match[2] or ""), text)


def load(file: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(resolved(file.read_text(encoding="utf-8"), environment))
    return content


STACK = load(FILE)
CONTAINERS: dict[str, dict[str, Any]] = STACK["services"]
BUILT = [name for name, container in CONTAINERS.items() if "build" in container]
each_container = pytest.mark.parametrize("name", CONTAINERS)
each_built = pytest.mark.parametrize("name", BUILT)
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def settings_kind(name: str) -> type[BaseSettings]:
    """The settings class of a process."""
    if name in SETTINGS_OF:
        return SETTINGS_OF[name]
    module = importlib.import_module(f"services.{name}.settings")
    [kind] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, BaseSettings) and kind.__module__ == module.__name__
    ]
    return kind


def test_it_has_every_service_of_the_table_and_the_stand_in_and_the_topic_job() -> None:
    assert set(BUILT) == {service.name for service in SERVICES} | {"simulator", "topics"}


@each_built
def test_every_setting_it_gives_is_one_of_the_process(name: str) -> None:
    fields = settings_kind(name).model_fields
    given = CONTAINERS[name]["environment"].keys() | FROM_THE_IMAGE
    unknown = {setting for setting in given if setting.lower() not in fields}

    assert unknown - (FROM_THE_IMAGE if name == "topics" else set()) == set()


@each_built
def test_every_setting_the_process_needs_is_given(name: str) -> None:
    fields = settings_kind(name).model_fields
    needed = {setting.upper() for setting, field in fields.items() if field.is_required()}

    assert needed - CONTAINERS[name]["environment"].keys() - FROM_THE_IMAGE == set()


@each_built
def test_the_settings_it_gives_are_valid(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.touch()
    for setting, value in CONTAINERS[name]["environment"].items():
        monkeypatch.setenv(setting, str(file) if value.startswith("/run/secrets/") else value)

    assert settings_kind(name)() is not None


@each_service
def test_a_service_listens_where_its_table_says(service: Service) -> None:
    environment = CONTAINERS[service.name]["environment"]

    assert (environment["PORT"], environment["OPS_PORT"]) == (str(service.port), str(service.ops_port))
    assert ("MONGO_URL" in environment) is service.stores


@each_service
def test_a_service_consumes_in_its_own_group_and_writes_its_own_database(service: Service) -> None:
    """Both default to the service's name; replicas share them."""
    environment = CONTAINERS[service.name]["environment"]

    assert {"CONSUMER_GROUP", "GROUP_INSTANCE_ID", "MONGO_DATABASE"} & environment.keys() == set()


@each_built
def test_an_image_is_built_by_the_one_recipe_with_the_locked_packages_of_its_process(name: str) -> None:
    build = CONTAINERS[name]["build"]

    assert build == {"context": ".", "dockerfile": "deploy/Dockerfile", "args": {"SERVICE": name}}
    assert (CHECKOUT / f"requirements/{name}.txt").is_file()
    assert CONTAINERS[name]["image"] == f"musubi/{name}:dev"


def test_images_that_are_not_built_are_those_of_the_code() -> None:
    named = {container["image"] for name, container in CONTAINERS.items() if name not in BUILT}

    assert named == {value for name, value in vars(images).items() if name.endswith("_IMAGE")}
    assert all(re.fullmatch(r"[\w./-]+:v?\d+(\.\d+)+(-\w+)?", image) for image in named)


@each_container
def test_a_container_can_change_nothing_and_gain_nothing(name: str) -> None:
    container = CONTAINERS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in container["tmpfs"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc", "container_name", "env_file"} & container.keys()
    assert "docker.sock" not in str(container)
    assert str(container.get("user", "not root")).split(":")[0] not in {"0", "root"}


@each_container
def test_a_container_is_checked_bounded_and_restarted(name: str) -> None:
    container = CONTAINERS[name]

    assert container["restart"] == ("on-failure:3" if name == "topics" else "unless-stopped")
    assert container["logging"]["options"].keys() == {"max-size", "max-file"}
    if name != "topics":
        assert container["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    if name not in BUILT:
        assert container["healthcheck"]["test"][0] == "CMD"


@each_service
def test_a_service_may_finish_what_it_has_in_work(service: Service) -> None:
    period = CONTAINERS[service.name]["stop_grace_period"]

    assert int(period.removesuffix("s")) > DRAIN_SECONDS + CLOSE_SECONDS


@pytest.mark.parametrize("file", [FILE, LOOPBACK_FILE], ids=lambda file: file.name)
def test_nothing_but_ingest_is_published_beyond_the_loopback(file: Path) -> None:
    ports = [port for container in load(file)["services"].values() for port in container.get("ports", ())]
    beyond = [port for port in ports if not port.startswith(LOOPBACK)]

    assert beyond == (["0.0.0.0:8000:8000"] if file == FILE else [])


def test_kafka_and_the_store_are_published_by_the_project_itself_nowhere() -> None:
    for name in ("kafka", "mongo", "topics"):
        assert "ports" not in CONTAINERS[name]
        assert CONTAINERS[name]["networks"] == ["inner"]
    assert STACK["networks"]["inner"] == {"internal": True}


def test_a_service_can_be_scaled() -> None:
    """No name, and no port of this machine, that only one container can have."""
    for service in SERVICES:
        assert not {"container_name", "ports", "hostname"} & CONTAINERS[service.name].keys()
        ports = load(LOOPBACK_FILE)["services"][service.name]["ports"]
        assert ports == [f"{LOOPBACK}:{service.ops_port}"]


def test_the_edge_leads_to_every_service_and_publishes_it() -> None:
    config = (CHECKOUT / "deploy/edge/haproxy.cfg").read_text(encoding="utf-8")
    for service in SERVICES:
        inside = '"*:${INGEST_PORT}"' if service.name == "ingest" else f"*:{service.port}"
        template = f"server-template {service.name}- 12 {service.name}:{service.port} port {service.ops_port}"
        assert f"listen {service.name}\n    bind {inside}\n    {template}\n" in config
    published = {port.split(":")[-2] for port in CONTAINERS["edge"]["ports"]}
    assert published == {str(service.port) for service in SERVICES} | {str(SIMULATOR_PORT)}


def test_chosen_ports_arrive_everywhere() -> None:
    """Each published port has its variable, and where it is moved, every address that names it moves along."""
    moved = {variable(name): str(port + 20_000) for name, (port, _) in PUBLISHED.items()}
    whole = load(FILE, moved)["services"], load(LOOPBACK_FILE, moved)["services"]
    published = {
        port.split(":")[-2] for services in whole for one in services.values() for port in one.get("ports", ())
    }
    assert published - {""} == set(moved.values())
    ingest, simulator = whole[0]["ingest"]["environment"], whole[0]["simulator"]["environment"]
    assert ingest["PUBLIC_URL"] == simulator["WEBHOOK_BASE_URL"] == "http://127.0.0.1:28000"
    assert ingest["LIFF_URL"] == "http://127.0.0.1:28010/liff"
    assert (ingest["LINE_API_URL"], simulator["PORT"]) == ("http://line:28010", "28010")
    assert whole[0]["edge"]["environment"] == {"INGEST_PORT": "28000"}
    assert whole[1]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].endswith("LOOPBACK://127.0.0.1:29092")


def test_every_secret_is_a_file_that_the_keys_make(tmp_path: Path) -> None:
    made = {path.name for path in vars(container_key_files(Home(tmp_path))).values()}
    secrets = {name: Path(secret["file"]) for name, secret in STACK["secrets"].items()}

    assert {file.name for file in secrets.values()} == made - {"admin.key"}
    assert {CHECKOUT / file.parent for file in secrets.values()} == {CONTAINER_HOME / "secrets"}


@each_container
def test_a_container_is_given_the_secrets_that_its_settings_name(name: str) -> None:
    container = CONTAINERS[name]
    named = {
        value.removeprefix("/run/secrets/")
        for value in container.get("environment", {}).values()
        if value.startswith("/run/secrets/")
    }

    assert set(container.get("secrets", ())) == named


@each_container
def test_no_secret_is_in_the_environment(name: str) -> None:
    for setting, value in CONTAINERS[name].get("environment", {}).items():
        assert not re.search("SECRET|PASSWORD|TOKEN|_KEY$", setting) or value.startswith("/run/secrets/")
        assert "@" not in value or setting == "KAFKA_CONTROLLER_QUORUM_VOTERS"


def test_services_start_after_the_topics_are_there() -> None:
    for service in SERVICES:
        assert CONTAINERS[service.name]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}
    assert CONTAINERS["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_kafka_is_set_as_on_the_local_stack() -> None:
    """But for its addresses, its folders and what suits one small machine."""
    local = dict(line.split("=", 1) for line in kafka.PROPERTIES.splitlines())
    local |= dict.fromkeys(("message.max.bytes", "replica.fetch.max.bytes"), str(kafka.MAX_MESSAGE_BYTES))
    own = {"process.roles", "node.id", "controller.quorum.voters", "controller.quorum.bootstrap.servers", "log.dirs"}
    own |= {name for name in local if "listener" in name or "threads" in name or name.startswith("broker.")}
    environment = CONTAINERS["kafka"]["environment"]
    given = {
        setting.removeprefix("KAFKA_").replace("_", ".").lower(): value
        for setting, value in environment.items()
        if setting.startswith("KAFKA_") and setting != "KAFKA_HEAP_OPTS"
    }

    assert {name: value for name, value in given.items() if name not in own and "listener" not in name} == {
        name: value for name, value in local.items() if name not in own
    }


def test_what_is_mounted_is_there() -> None:
    mounted = [volume.split(":")[0] for one in CONTAINERS.values() for volume in one.get("volumes", ())]
    files = [CHECKOUT / path for path in mounted if path.startswith("./")]

    assert [str(path) for path in files if not path.exists()] == []
    assert {name for name in mounted if not name.startswith("./")} == set(STACK["volumes"])
