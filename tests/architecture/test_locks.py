"""The lock files belong to pyproject.toml, and nothing committed names a machine or a package index."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"
GROUPS: dict[str, list[str | dict[str, str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "dependency-groups"
]
LOCKED = (
    *("bootstrap", "broadcast", "binding", "dev", "ingest"),
    *("insights", "local", "simulator", "ticketing", "topics"),
)

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
# Split, so that this file does not hold them itself.
INDEX_HOSTS = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("repo1", "maven"), ("repo", "maven"), ("npmjs", "org"))
]
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:root|work|Users/\w+|home/(?!app\b|nonroot\b)\w+)/\w")


@dataclass(frozen=True)
class Pin:
    """One entry of a lock file."""

    name: str
    version: Version
    text: str

    def asked_for_by(self, group: str) -> bool:
        """Whether the entry is there because the group itself names it."""
        return f"(pyproject.toml:{group})" in self.text


def pins(group: str) -> list[Pin]:
    """Read a lock file; a package has several entries where versions differ by platform or Python."""
    text = (LOCKS / f"{group}.txt").read_text()
    starts = [*PIN.finditer(text)]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [
        Pin(canonicalize_name(match["name"]), Version(match["version"]), text[match.start() : end])
        for match, end in zip(starts, ends, strict=True)
    ]


def requirements(group: str) -> list[Requirement]:
    """What a group of pyproject.toml asks for, included groups too."""
    wanted: list[Requirement] = []
    for entry in GROUPS[group]:
        wanted += requirements(entry["include-group"]) if isinstance(entry, dict) else [Requirement(entry)]
    return wanted


@pytest.mark.parametrize("group", LOCKED)
def test_a_lock_file_holds_what_its_group_asks_for(group: str) -> None:
    locked = pins(group)
    asked = {canonicalize_name(requirement.name) for requirement in requirements(group)}
    assert {pin.name for pin in locked if pin.asked_for_by(group)} == asked, "stale: run `make lock`"
    outside = [
        f"{pin.name} {pin.version} is not {requirement}"
        for requirement in requirements(group)
        for pin in locked
        if pin.name == canonicalize_name(requirement.name) and pin.version not in requirement.specifier
    ]
    assert not outside, "stale: run `make lock`"


@pytest.mark.parametrize("group", LOCKED)
def test_every_entry_has_its_hashes(group: str) -> None:
    assert [pin.name for pin in pins(group) if "--hash=sha256:" not in pin.text] == []


@pytest.mark.parametrize("group", [group for group in LOCKED if group != "bootstrap"])
def test_an_image_has_the_versions_that_were_tested(group: str) -> None:
    tested = {(pin.name, pin.version) for pin in pins("dev")}
    assert [f"{pin.name} {pin.version}" for pin in pins(group) if (pin.name, pin.version) not in tested] == []


def test_every_installed_group_has_a_lock_file() -> None:
    included = {"chassis", "service"}
    assert sorted(LOCKED) == sorted(GROUPS.keys() - included) == sorted(file.stem for file in LOCKS.glob("*.txt"))


def committed_files() -> list[Path]:
    """The text files that git keeps, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_nothing_committed_names_a_machine_or_a_package_index() -> None:
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        named = [host for host in INDEX_HOSTS if host in text]
        named += [match.group() for match in MACHINE_PATH.finditer(text)]
        if named:
            found.append(f"{path.relative_to(ROOT)}: {', '.join(sorted(set(named)))}")
    assert found == []
