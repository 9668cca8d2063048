"""An image holds what its process imports: its folders of code, the packages of its lock file. No engine is asked."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.local.paths import CHECKOUT
from deploy.local.programs import SERVICE_NAMES

OWN = {"shared", "services", "simulator", "deploy", "musubi"}
STARTS = {**{name: f"services.{name}" for name in SERVICE_NAMES}, "simulator": "simulator", "topics": "deploy.topics"}
PARTS_OF = {"gridfs": "pymongo", "bson": "pymongo"}
"""Packages that are installed by another one under a name of their own, where metadata does not say so."""

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", re.MULTILINE)
each_image = pytest.mark.parametrize("name", STARTS)


def imports(file: Path, module: str) -> Iterator[str]:
    """What a module imports when it is imported or run, functions' own imports included; not what only types need."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        else:
            waiting += ast.iter_child_nodes(node)


def file_of(module: str) -> Path | None:
    path = CHECKOUT / module.replace(".", "/")
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


@cache
def needed(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The project's modules that a process comes to import, and the names of others' packages."""
    own: set[str] = set()
    others: set[str] = set()
    waiting = [f"{STARTS[name]}.__main__"]
    while waiting:
        module = waiting.pop()
        top = module.partition(".")[0]
        if top not in OWN:
            others.add(top)
        elif module not in own and (file := file_of(module)):
            own.add(module)
            parents = [".".join(module.split(".")[:count]) for count in range(1, module.count(".") + 1)]
            waiting += [*parents, *imports(file, module)]
    return frozenset(own), frozenset(others - set(sys.stdlib_module_names))


@each_image
def test_the_recipe_copies_all_the_code_that_a_process_imports(name: str) -> None:
    inside = ("shared", "services" if name in SERVICE_NAMES else STARTS[name].split(".")[0], STARTS[name])
    outside = [
        module for module in needed(name)[0] if module not in inside and not module.startswith(("shared.", inside[2]))
    ]

    assert outside == []
    assert [module for module in needed(name)[0] if module.startswith("shared.testing")] == []


@each_image
def test_the_lock_file_has_every_package_that_a_process_imports(name: str) -> None:
    text = (CHECKOUT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    locked = {pin.lower().replace("_", "-") for pin in _PIN.findall(text)}
    names = packages_distributions()
    missing = {
        package
        for package in needed(name)[1]
        if not locked & {one.lower().replace("_", "-") for one in names.get(package, [PARTS_OF.get(package, package)])}
    }

    assert missing == set()


def test_the_search_finds_what_is_imported_in_passing() -> None:
    own, others = needed("topics")

    assert {"deploy.topics.job", "shared.broker"} < own
    assert {"aiokafka", "pydantic"} < others
