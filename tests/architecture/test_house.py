"""The house stays readable: files small enough to read from top to bottom."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400
LONGER_WITH_REASON: dict[str, str] = {}
"""Files of services/ and shared/ that are longer, and why they cannot be split by capability."""


def lengths(root: Path) -> dict[str, int]:
    files = [path for package in ("services", "shared") for path in (root / package).rglob("*.py")]
    return {path.relative_to(root).as_posix(): len(path.read_bytes().splitlines()) for path in files}


def too_long(root: Path) -> list[str]:
    return [f"{name}: {lines} lines" for name, lines in sorted(lengths(root).items()) if lines > LONGEST]


def test_no_file_is_too_long_to_read() -> None:
    assert [line for line in too_long(ROOT) if line.partition(":")[0] not in LONGER_WITH_REASON] == []


def test_a_file_that_has_become_short_needs_no_reason() -> None:
    assert [name for name in LONGER_WITH_REASON if lengths(ROOT).get(name, 0) <= LONGEST] == []


@pytest.mark.parametrize(("lines", "found"), [(LONGEST, []), (LONGEST + 1, [f"shared/x.py: {LONGEST + 1} lines"])])
def test_a_planted_long_file_is_found(lines: int, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "x.py").write_text("pass\n" * lines)

    assert too_long(tmp_path) == found
