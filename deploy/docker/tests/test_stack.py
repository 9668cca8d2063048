"""The commands of the stack in containers: what Docker is asked, what people and scripts are told. Docker is played."""

from __future__ import annotations

import json
import stat
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from deploy.docker import stack as stack_module
from deploy.docker.engine import check_engine, read_containers
from deploy.docker.stack import ContainerStack
from deploy.docker.status import container_rows
from deploy.local.errors import StackError
from deploy.local.paths import Home
from deploy.local.ports import Ports
from deploy.local.programs import SERVICES
from deploy.local.progress import Progress

PLAYED = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
asked = sys.argv[1:]
with (folder / "asked").open("a") as log:
    log.write(json.dumps(asked) + "\\n")
words = [word for word in asked if not word.startswith("-") and not word.endswith(".yml")]
for name, answer in json.loads((folder / "answers").read_text()).items():
    if " ".join(words).startswith(name):
        print(answer["says"])
        sys.exit(answer["status"])
if words[:2] == ["compose", "version"]:
    print("2.39.4")
if words[:2] == ["compose", "ps"]:
    print((folder / "containers").read_text())
"""


class Docker:
    """A `docker` command that remembers what it was asked and answers as told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answers: dict[str, Any] = {}
        command = folder / "docker"
        command.write_text(PLAYED.format(python=sys.executable, folder=str(folder)))
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        self.answer()
        self.run({})

    def answer(self, question: str | None = None, says: str = "", status: int = 0) -> None:
        """Have questions that begin so answered so."""
        if question is not None:
            self._answers[question] = {"says": says, "status": status}
        (self._folder / "answers").write_text(json.dumps(self._answers))

    def run(self, counts: dict[str, int], **changes: Any) -> None:
        """Have so many containers of each service; `changes` go for all of them."""
        lines = [
            entry(service, number, port=20_000 + 20 * place + number, **changes)
            for place, (service, count) in enumerate(counts.items())
            for number in range(1, count + 1)
        ]
        (self._folder / "containers").write_text("\n".join(map(json.dumps, lines)))

    def asked(self) -> list[list[str]]:
        """What it was asked, without the files it was given."""
        log = self._folder / "asked"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []
        return [[word for word in line if word != "-f" and not word.endswith(".yml")] for line in lines]


def entry(service: str, number: int = 1, port: int = 0, **changes: Any) -> dict[str, Any]:
    """A container as `docker compose ps` lists it."""
    ops = {one.name: one.ops_port for one in SERVICES}.get(service, 1)
    published = [{"TargetPort": ops, "PublishedPort": port}, {"TargetPort": 7, "PublishedPort": 0}]
    told = {"ID": f"id-{service}-{number}", "Name": f"musubi-{service}-{number}", "Service": service}
    state = {"State": "running", "Health": "healthy", "Status": "Up 2 minutes (healthy)", "ExitCode": 0}
    return told | state | {"Publishers": published} | changes


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Docker, played, first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return Docker(folder)


@pytest.fixture
def stack(docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerStack:
    """A stack on ports of its own, whose edge has found every service."""
    monkeypatch.setattr(stack_module, "_behind_the_edge", lambda _: None)
    monkeypatch.setattr(stack_module, "Ports", lambda file, reserved: Ports(file, anywhere=True, reserved=reserved))
    return ContainerStack(Home(tmp_path / "home"), Progress())


EVERY = {service.name: 1 for service in SERVICES}


def facts(stack: ContainerStack) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(stack.home.stack_file.read_text())
    return told


@pytest.mark.parametrize(
    ("question", "says", "status", "reason"),
    [
        ("compose version", "unknown command", 1, "needs the compose plugin"),
        ("compose version", "2.3.3", 0, "2.20 or newer; here is 2.3.3"),
        ("info", "no daemon", 1, "needs a running engine"),
    ],
)
def test_what_is_missing_is_said(docker: Docker, question: str, says: str, status: int, reason: str) -> None:
    docker.answer(question, says, status)
    with pytest.raises(StackError, match=reason):
        check_engine()


def test_up_builds_starts_and_waits_for_as_many_as_are_wanted(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY | {"insights": 2})
    stack.up({"binding": 3})
    build, start = [line for line in docker.asked() if {"build", "up"} & set(line)]

    assert build == ["compose", "build"]
    assert start[:4] == ["compose", "up", "--detach", "--wait"]
    scales = {start[place + 1] for place, word in enumerate(start) if word == "--scale"}
    assert scales == {f"{name}={count}" for name, count in (EVERY | {"binding": 3, "insights": 2}).items()}


def test_scripts_find_what_they_find_on_the_local_stack(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY | {"binding": 2})
    stack.up({})
    told = facts(stack)

    assert told["services"].keys() == told["replicas"].keys() == set(EVERY)
    first, second = told["replicas"]["binding"]
    assert first["api"] == second["api"] != first["ops"] != second["ops"]
    assert told["services"]["ingest"].keys() == {"public", "ops"}
    assert told["line"].keys() >= {"api", "phone", "control"}
    assert told["databases"].keys() == set(EVERY) - {"ingest"}
    key = Path(told["admin_key_file"]).read_text().strip()
    assert key not in stack.home.stack_file.read_text()


def test_a_container_that_is_not_well_is_named_with_its_last_words(docker: Docker, stack: ContainerStack) -> None:
    docker.run({"binding": 1}, Health="unhealthy", Status="Up 3 minutes (unhealthy)")
    docker.answer("compose up", "dependency failed", 1)
    docker.answer("compose logs", "MONGO_URL: is missing")
    with pytest.raises(StackError) as failure:
        stack.up({})

    assert "dependency failed" in str(failure.value)
    assert "binding-1 is not well (Up 3 minutes (unhealthy))\n  | MONGO_URL: is missing" in str(failure.value)


def test_what_waits_for_another_is_not_the_news(docker: Docker, stack: ContainerStack) -> None:
    docker.run({"binding": 1}, State="created", Health="", Status="Created")
    docker.answer("compose up", "topics failed", 1)
    with pytest.raises(StackError) as failure:
        stack.up({})

    assert "binding-1" not in str(failure.value)


def test_scaling_touches_no_other_service(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY)
    stack.scale("binding", 3)
    [start] = [line for line in docker.asked() if "up" in line]

    assert {"--no-deps", "--no-recreate", "--no-build", "binding=3"} < set(start)
    assert start[-1] == "binding"


def test_a_killed_container_is_started_again_and_found_on_its_new_port(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY)
    stack.kill("binding-1")

    assert docker.asked()[-2:] == [["kill", "--signal", "KILL", "id-binding-1"], ["start", "id-binding-1"]]
    before = stack.ops("binding-1")
    docker.run({"ingest": 1, "insights": 1, "binding": 1})
    stack.refresh()
    assert facts(stack)["services"]["binding"]["ops"] == stack.ops("binding-1") != before


def test_a_container_that_is_not_there_cannot_be_killed(stack: ContainerStack) -> None:
    with pytest.raises(StackError, match="no container binding-9"):
        stack.kill("binding-9")


def test_down_keeps_the_data_and_clean_does_not(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY)
    stack.up({})
    assert stack.down()
    assert docker.asked()[-1] == ["compose", "down"]
    assert not stack.home.stack_file.exists()
    assert stack.home.secrets.is_dir()

    stack.wipe()
    assert docker.asked()[-1] == ["compose", "down", "--volumes", "--remove-orphans"]
    assert not stack.home.root.exists()


@pytest.mark.parametrize(
    ("process", "narrowed"),
    [(None, []), ("binding", ["binding"]), ("binding-2", ["--index", "2", "binding"])],
)
def test_logs_of_all_of_a_service_of_a_process(
    docker: Docker, stack: ContainerStack, process: str | None, narrowed: list[str]
) -> None:
    stack.logs(process, 40, follow=False)

    assert docker.asked()[-1] == ["compose", "logs", "--tail", "40", *narrowed]


def test_a_list_of_containers_is_read_in_both_forms() -> None:
    entries = [entry("topics", State="exited", Health="", ExitCode=0), entry("binding", Health="starting")]
    listed = read_containers(json.dumps(entries))

    assert listed == read_containers("\n".join(map(json.dumps, entries)))
    assert {container.name: container.well for container in listed} == {"topics-1": True, "binding-1": False}


def test_status_says_what_a_container_says_of_itself(docker: Docker, stack: ContainerStack) -> None:
    docker.run(EVERY)
    stack.up({})
    containers = [*stack.compose.containers(), *read_containers(json.dumps(entry("edge", Health="unhealthy")))]
    problems = {row.name: row.problem for row in container_rows(containers, facts(stack))}

    assert problems["edge-1"] == "Up 2 minutes (healthy)"
    assert problems["binding-1"] == "nothing listens there"


@pytest.mark.parametrize(("status", "found"), [(404, True), (200, True), (503, False)])
def test_the_edge_has_found_a_service_when_it_gives_another_answer_than_its_own(status: int, found: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        problem = stack_module._behind_the_edge(f"http://127.0.0.1:{server.server_address[1]}/")
        server.shutdown()

    assert (problem is None) is found
