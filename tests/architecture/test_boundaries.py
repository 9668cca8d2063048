"""The walls of the house (design §4), read from the code's own syntax; each rule is shown able to fail."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

from shared.topics import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "services", "simulator", "deploy", "musubi")

ONLY_IN = {
    "aiokafka": (
        *("shared/broker.py", "shared/producer.py", "shared/consumer/consumer.py"),
        *("deploy/topics/job.py", "deploy/topics/__main__.py"),
        *("deploy/local/probes.py", "deploy/local/lag.py", "deploy/local/status.py", "musubi/demo/quiet.py"),
    ),
    "faststream": ("shared/broker.py", "shared/consumer/consumer.py"),
    "motor": ("shared/mongo.py",),
    "pymongo": ("shared/mongo.py", "deploy/local/probes.py"),
    "bson": ("shared/mongo.py",),
    "gridfs": ("shared/mongo.py",),
    "linebot": ("shared/line/builders.py",),
}
"""The only files that import these libraries: the chassis, and what administers the servers from outside."""

NEVER_IMPORTS = {
    "shared": ("services", "simulator", "deploy", "musubi"),
    "services": ("simulator", "deploy", "musubi"),
    "simulator": ("services", "deploy", "musubi"),
}
"""What a package must not know. shared/testing starts servers and processes, so it may."""

PURE = "model.py"
IO_MODULES = (
    *("aiokafka", "faststream", "motor", "pymongo", "linebot", "aiohttp", "httpx", "requests", "urllib.request"),
    *("fastapi", "starlette", "uvicorn", "prometheus_client", "yaml", "typer", "rich"),
    *("os", "io", "socket", "ssl", "pathlib", "shutil", "tempfile", "subprocess", "asyncio", "threading", "time"),
    *("shared.api", "shared.audit", "shared.broker", "shared.consumer", "shared.dlq", "shared.erasures", "shared.http"),
    *("shared.mongo", "shared.outbox", "shared.producer", "shared.schedule", "shared.settings"),
    *("shared.line.client", "shared.line.transport"),
)
ONLY_TYPES = ("shared.mongo.Document",)
"""A name for `dict`: no I/O comes with it."""

BUILDERS = frozenset(
    {
        *("load_settings", "load_channels", "load_yaml_list", "load_erasure_key", "create_app", "create_api"),
        *("connect", "create_broker", "Producer", "Consumer", "LineClient", "Erasures", "CollectorRegistry"),
        *("open", "read_text", "read_bytes", "getenv", "run", "new_event_loop", "Thread"),
    }
)
BUILT_AT_IMPORT = {("simulator/metrics.py", "CollectorRegistry")}
"""The stand-in is one process with one set of counters, and no test tells two of them apart."""


@dataclass(frozen=True)
class Source:
    """A module of the project."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.name).parts

    @property
    def is_test(self) -> bool:
        """Tests drive the house from outside, and may know all of it."""
        return "tests" in self.parts

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def imports(self) -> list[str]:
        """Every imported name in full: `from a.b import c` is a.b.c."""
        found: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = list(self.parts[: -node.level]) if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                found += [f"{module}.{alias.name}" for alias in node.names]
        return found

    def imported(self, package: str) -> bool:
        return any(within(name, package) for name in self.imports)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def sources(root: Path) -> list[Source]:
    """The project's own code, without its tests."""
    files = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [source for path in files if not (source := Source(root, path)).is_test]


Rule = Callable[[Source], Iterator[str]]


def no_other_service(source: Source) -> Iterator[str]:
    if source.parts[0] != "services" or len(source.parts) < 3:
        return
    own = f"services.{source.parts[1]}"
    yield from (f"imports {name}" for name in source.imports if within(name, "services") and not within(name, own))


def libraries_in_their_place(source: Source) -> Iterator[str]:
    for library, places in ONLY_IN.items():
        if source.imported(library) and source.name not in places:
            yield f"imports {library}"


def packages_know_only_below(source: Source) -> Iterator[str]:
    if source.name.startswith("shared/testing/"):
        return
    for package in NEVER_IMPORTS.get(source.parts[0], ()):
        if source.imported(package):
            yield f"imports {package}"


def models_are_pure(source: Source) -> Iterator[str]:
    if source.parts[-1] != PURE:
        return
    for name in source.imports:
        if name not in ONLY_TYPES and any(within(name, module) for module in IO_MODULES):
            yield f"imports {name}"


def at_import(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: not what is inside functions."""
    for statement in nodes:
        if isinstance(statement, ast.If) and _is_guard(statement.test):
            continue
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                defaults = [default for default in node.args.kw_defaults if default is not None]
                waiting += [*node.decorator_list, *node.args.defaults, *defaults]
            elif not isinstance(node, ast.Lambda):
                waiting += ast.iter_child_nodes(node)


def _is_guard(test: ast.expr) -> bool:
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    return bool(names & {"__name__", "TYPE_CHECKING"})


def nothing_is_built_at_import(source: Source) -> Iterator[str]:
    if source.parts[0] not in {"shared", "services", "simulator"}:
        return
    for node in at_import(source.tree.body):
        if isinstance(node, ast.Attribute) and node.attr == "environ":
            yield "reads the environment"
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if (called in BUILDERS or called.endswith("Settings")) and (source.name, called) not in BUILT_AT_IMPORT:
                yield f"calls {called}"


def topics_are_named_in_one_place(source: Source) -> Iterator[str]:
    if source.parts[0] not in {"shared", "services"} or source.name == "shared/topics.py":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in BY_NAME:
            yield f"names the topic {node.value!r}"


def nothing_is_printed(source: Source) -> Iterator[str]:
    if source.parts[0] not in {"shared", "services"}:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield "prints"


RULES: tuple[Rule, ...] = (
    no_other_service,
    libraries_in_their_place,
    packages_know_only_below,
    models_are_pure,
    nothing_is_built_at_import,
    topics_are_named_in_one_place,
    nothing_is_printed,
)


def broken(rule: Rule, root: Path) -> list[str]:
    return [f"{source.name} {what}" for source in sources(root) for what in rule(source)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_walls(rule: Rule) -> None:
    assert broken(rule, ROOT) == []


def test_the_rules_look_at_all_of_the_house() -> None:
    looked_at = {source.parts[0] for source in sources(ROOT)}

    assert looked_at == set(PACKAGES)


def test_each_exception_is_still_needed() -> None:
    stale = [
        f"{place}: {library}"
        for library, places in ONLY_IN.items()
        for place in places
        if library != "bson" and not Source(ROOT, ROOT / place).imported(library)
    ]

    assert stale == []


PLANTED: list[tuple[Rule, str, str]] = [
    (no_other_service, "services/a/x.py", "from services.b.store import Store"),
    (no_other_service, "services/a/x.py", "import services.b"),
    (no_other_service, "services/a/room/x.py", "from ...b import store"),
    (libraries_in_their_place, "services/a/x.py", "import aiokafka.errors"),
    (libraries_in_their_place, "shared/outbox.py", "def f():\n    from aiokafka import AIOKafkaProducer"),
    (libraries_in_their_place, "services/a/app.py", "from faststream.kafka import KafkaBroker"),
    (libraries_in_their_place, "services/a/store.py", "from motor.motor_asyncio import AsyncIOMotorClient"),
    (libraries_in_their_place, "services/a/store.py", "from pymongo import ASCENDING"),
    (libraries_in_their_place, "shared/x.py", "import bson"),
    (libraries_in_their_place, "simulator/x.py", "import linebot.v3"),
    (packages_know_only_below, "shared/x.py", "from services.a import app"),
    (packages_know_only_below, "shared/x.py", "import deploy.topics.job"),
    (packages_know_only_below, "services/a/x.py", "from simulator import app"),
    (packages_know_only_below, "services/a/x.py", "from deploy.local import paths"),
    (packages_know_only_below, "services/a/x.py", "import musubi"),
    (packages_know_only_below, "simulator/x.py", "from services.ingest.webhook import model"),
    (models_are_pure, "services/a/room/model.py", "import os"),
    (models_are_pure, "services/a/room/model.py", "from pathlib import Path"),
    (models_are_pure, "services/a/room/model.py", "from starlette.requests import Request"),
    (models_are_pure, "services/a/room/model.py", "from shared.mongo import connect"),
    (models_are_pure, "services/a/room/model.py", "from shared import producer"),
    (nothing_is_built_at_import, "services/a/app.py", "settings = BindingSettings()"),
    (nothing_is_built_at_import, "services/a/app.py", "client = mongo.connect('mongodb://x')"),
    (nothing_is_built_at_import, "shared/x.py", "import os\nURL = os.environ['KAFKA_URL']"),
    (nothing_is_built_at_import, "shared/x.py", "class A:\n    registry = CollectorRegistry()"),
    (nothing_is_built_at_import, "shared/x.py", "def f(settings=load_settings(A, 'a')): ..."),
    (nothing_is_built_at_import, "simulator/x.py", "text = open('x').read()"),
    (topics_are_named_in_one_place, "services/a/x.py", "TOPIC = 'line.events'"),
    (topics_are_named_in_one_place, "shared/x.py", "def f(): return {'dlq.binding': 1}"),
    (nothing_is_printed, "services/a/x.py", "def f(): print('x')"),
    (nothing_is_printed, "shared/x.py", "print('x')"),
]


@pytest.mark.parametrize(("rule", "name", "code"), PLANTED)
def test_a_planted_break_is_found(rule: Rule, name: str, code: str, tmp_path: Path) -> None:
    plant(tmp_path, name, code)

    assert [line.partition(" ")[0] for line in broken(rule, tmp_path)] == [name]


ALLOWED = [
    ("services/a/x.py", "from services.a.room import model\nfrom shared import topics\nfrom . import y"),
    ("services/a/tests/test_x.py", "from simulator.server import running\nprint('line.events')"),
    ("services/a/__main__.py", "if __name__ == '__main__':\n    main('a', ASettings, create_app)"),
    ("services/a/app.py", "def create_app(settings):\n    return Producer(settings.kafka_url)"),
    ("services/a/room/model.py", "from datetime import UTC\nfrom shared.mongo import Document"),
    ("services/a/room/store.py", "import asyncio\nfrom shared.mongo import connect"),
    ("shared/testing/x.py", "def f():\n    from deploy.local.servers import Servers"),
    ("shared/topics.py", "LINE_EVENTS = 'line.events'"),
    ("shared/mongo.py", "from motor.motor_asyncio import AsyncIOMotorClient"),
]


@pytest.mark.parametrize(("name", "code"), ALLOWED)
def test_what_is_allowed_passes_every_rule(name: str, code: str, tmp_path: Path) -> None:
    plant(tmp_path, name, code)

    assert [line for rule in RULES for line in broken(rule, tmp_path)] == []


def test_every_rule_has_a_planted_break() -> None:
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


def plant(root: Path, name: str, code: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True)
    path.write_text(code + "\n", encoding="utf-8")
