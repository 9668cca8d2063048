"""The documents stay true: links, commands, files, settings, metrics, examples and tests they name are there."""

from __future__ import annotations

import ast
import importlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings
from typer.core import TyperGroup
from typer.main import get_command

from deploy.topics.__main__ import TopicJobSettings
from musubi.app import app
from services.ingest.accounts import Accounts
from services.ingest.callbacks.api import load_callbacks
from shared.auth import PERMISSIONS, AdminKeys
from shared.channels import load_channels
from shared.links import LinkKeys
from simulator.settings import SimulatorSettings

ROOT = Path(__file__).resolve().parents[2]
OPERATING = ROOT / "docs/operating.md"
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "fixtures" for part in path.relative_to(ROOT).parts)
)
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"(?:^|\s)make ([a-z][a-z-]*)")
_MUSUBI = re.compile(r"(?:^|\s|bin/)musubi ([a-z]+)")
_TEST = re.compile(r"^((?:[\w.-]+/)+test_\w+\.py)::(test_\w+)$")
_PATH = re.compile(r"^(?:benchmarks|deploy|docs|musubi|requirements|services|shared|simulator|tests)(?:/[\w.-]+)+/?$")
_METRICS = {"Counter": "_total", "Gauge": "", "Histogram": ""}


def prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def code(document: Path) -> list[str]:
    """Every code span, and every line of a code block."""
    text = document.read_text(encoding="utf-8")
    return [*_CODE.findall(prose(document)), *(line for block in _FENCE.findall(text) for line in block.splitlines())]


def anchors(document: Path) -> set[str]:
    """The names under which a document's headings can be linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(heading: str) -> str:
    """The text under a heading of docs/operating.md, up to the next one of its level."""
    level = heading.partition(" ")[0]
    text = OPERATING.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    assert text, f"docs/operating.md has no heading {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", text, maxsplit=1, flags=re.MULTILINE)[0]


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of a section's table, without its head."""
    for line in section(heading).splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def leads_somewhere(document: Path, link: str) -> bool:
    target, _, anchor = unquote(link).partition("#")
    file = (document.parent / target).resolve() if target else document
    if not file.exists() or not file.is_relative_to(ROOT):
        return False
    return not anchor or anchor in anchors(file)


def broken_links(document: Path) -> list[str]:
    relative = (link for link in _LINK.findall(prose(document)) if not re.match(r"[a-z]+:", link))
    return [link for link in relative if not leads_somewhere(document, link)]


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize(
    ("link", "broken"),
    [("a.md", False), ("a.md#two-words", False), ("#two-words", True), ("a.md#three", True), ("b.md", True)],
)
def test_a_broken_link_is_found(link: str, broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("# Two words\n")
    document = tmp_path / "c.md"
    document.write_text(f"[text]({link})\n")

    assert broken_links(document) == ([link] if broken else [])


@each_document
def test_every_command_it_names_is_one_of_the_makefile(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for text in code(document) for target in _MAKE.findall(text)}

    assert named - targets == set()


@each_document
def test_every_musubi_command_it_names_is_there(document: Path) -> None:
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    named = {command for text in code(document) for command in _MUSUBI.findall(text)}

    assert named - commands.commands.keys() == set()


@each_document
def test_every_file_it_names_is_there(document: Path) -> None:
    named = {text for text in code(document) if _PATH.match(text)}

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@each_document
def test_every_test_it_cites_is_there(document: Path) -> None:
    cited = [match.groups() for text in code(document) if (match := _TEST.match(text))]
    missing = [
        f"{path}::{name}"
        for path, name in cited
        if not (ROOT / path).is_file() or not re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8"))
    ]

    assert missing == []


def processes_by_setting() -> dict[str, set[str]]:
    """Every field of every settings class, in the environment's spelling, and the processes that read it."""
    kinds: dict[str, type[BaseModel]] = {"simulator": SimulatorSettings, "topics": TopicJobSettings}
    for path in sorted((ROOT / "services").glob("*/settings.py")):
        module = importlib.import_module(f"services.{path.parent.name}.settings")
        [kinds[path.parent.name]] = [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type) and issubclass(kind, BaseSettings) and kind.__module__ == module.__name__
        ]
    found = defaultdict(set)
    for process, kind in kinds.items():
        for field in kind.model_fields:
            found[field.upper()].add(process)
    return dict(found)


def test_every_setting_is_described_with_the_processes_that_read_it() -> None:
    described = {cells[0].strip("`"): set(cells[1].split(", ")) for cells in rows("## Settings")}

    assert described == processes_by_setting()


def metrics_in_code() -> set[str]:
    """The names of the metrics that services and chassis make, as Prometheus shows them."""
    names = set()
    for path in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "services").rglob("*.py")]:
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _METRICS):
                continue
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                names.add(node.args[0].value + _METRICS[node.func.id])
    return names


def test_every_metric_is_described() -> None:
    assert {cells[0].strip("`") for cells in rows("## Metrics")} == metrics_in_code()


def example(file: str) -> str:
    found = re.search(r"^```yaml\n(.*?)^```$", section(f"### `{file}`"), re.MULTILINE | re.DOTALL)
    assert found, f"{file} has no example"
    return found[1]


@pytest.mark.parametrize(
    ("file", "load"),
    [("CHANNELS_FILE", load_channels), ("ADMIN_KEYS_FILE", AdminKeys.load), ("LINK_KEY_FILE", LinkKeys.load)],
)
def test_the_examples_of_files_are_read(file: str, load: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example(file), encoding="utf-8")

    assert load(path) is not None


def test_the_example_of_the_callbacks_file_belongs_to_that_of_the_channels_file(tmp_path: Path) -> None:
    channels, callbacks = tmp_path / "channels.yaml", tmp_path / "callbacks.yaml"
    channels.write_text(example("CHANNELS_FILE"), encoding="utf-8")
    callbacks.write_text(example("CALLBACKS_FILE"), encoding="utf-8")

    assert [source.channel for source in load_callbacks(callbacks, Accounts(channels)).values()] == ["coffee"]


ROLES = ("admin", "marketer", "agent", "viewer")
WORDS = {
    "read members and insights": {"members.read", "insights.read"},
    "set and remove customer keys, start account links": {"members.keys.write", "members.link"},
    "tag members": {"members.tags.write"},
    "make tracked links and sources": {"links.create"},
    "read conversations, answer in them": {"conversations.read", "conversations.reply"},
    "read tickets": {"tickets.read"},
    "open and change tickets": {"tickets.write"},
    "set auto-replies, guided flows, office hours": {"desk.configure"},
    "read segments and campaigns": {"segments.read", "campaigns.read"},
    "write segments and campaigns, send campaigns": {"segments.write", "campaigns.write", "campaigns.send"},
    "erase a member": {"members.erase"},
    "list, show, replay and drop dead letters": {"dead_letters.read", "dead_letters.replay", "dead_letters.drop"},
    "read the audit log": {"audit.read"},
}
"""How the table of roles says what each action is."""


def test_the_table_of_roles_is_that_of_the_code() -> None:
    assert {action for actions in WORDS.values() for action in actions} == set(PERMISSIONS)
    for line in section("### `ADMIN_KEYS_FILE`").splitlines():
        words, *marks = [cell.strip() for cell in line.strip("|").split("|")]
        for action in WORDS.get(words, ()):
            assert {role for role, mark in zip(ROLES, marks, strict=True) if mark == "yes"} == PERMISSIONS[action]
    assert all(f"| {words} |" in section("### `ADMIN_KEYS_FILE`") for words in WORDS)


def test_the_commands_on_the_first_page_stand_alone() -> None:
    """What a person types first is copied as it stands."""
    blocks = _FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))

    assert blocks[0].splitlines()[1:-1] == ["make up", "make test"]
