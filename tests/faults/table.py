"""The table of a run: a row a scenario; as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Row:
    """What one scenario gave. Effects are those that had to be there exactly once; times are seconds."""

    fault: str
    cases: tuple[int, ...] = ()
    injected: int = 0
    sent: int = 0
    accepted: int = 0
    effects: int = 0
    lost: int = 0
    twice: int = 0
    unsettled: int = 0
    recovery: float | None = None
    seconds: float = 0.0
    failure: str | None = None
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, nothing came twice and nothing else went wrong."""
        return not self.lost and not self.twice and self.failure is None


@dataclass(frozen=True)
class Named:
    """What became of a test that the catalogue names: passed, failed or skipped."""

    test: str
    cases: tuple[int, ...]
    outcome: str
    seconds: float


COLUMNS = ("fault", "cases", "injected", "sent", "accepted", "effects", "lost", "twice", "unsettled", "recovery s")


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells by `COLUMNS`."""
    recovery = "-" if row.recovery is None else f"{row.recovery:.1f}"
    counts = (row.injected, row.sent, row.accepted, row.effects, row.lost, row.twice, row.unsettled)
    fault = row.fault if row.failure is None else f"{row.fault} FAILED"
    return (fault, ",".join(map(str, row.cases)), *map(str, counts), recovery)


def as_text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal, and under it what went wrong."""
    lines = [COLUMNS, *(cells(row) for row in rows)]
    text = _columns(lines, left=2)
    for row in rows:
        text += [f"{row.fault}: {trouble}" for trouble in _troubles(row)]
    return "\n".join(text)


def in_a_line(row: Row) -> str:
    """Return one row for who waits for the rest."""
    said = [f"{name} {cell}" for name, cell in zip(COLUMNS[2:], cells(row)[2:], strict=True)]
    return "\n    ".join([f"{cells(row)[0]}: {', '.join(said)} ({row.seconds:.0f} s)", *_troubles(row)])


def named_as_text(named: Sequence[Named]) -> str:
    """Return the table of the named tests for a terminal."""
    lines = [("cases", "outcome", "s", "test")]
    lines += [(",".join(map(str, each.cases)), each.outcome, f"{each.seconds:.1f}", each.test) for each in named]
    return "\n".join(_columns(lines, left=4))


def _columns(lines: Sequence[Sequence[str]], left: int) -> list[str]:
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    text = ["  ".join(_aligned(cell, widths[n], n < left) for n, cell in enumerate(line)).rstrip() for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return text


def _aligned(cell: str, width: int, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def _troubles(row: Row, most: int = 10) -> list[str]:
    more = [f"and {len(row.differences) - most} more"] if len(row.differences) > most else []
    return [*([row.failure] if row.failure else []), *row.differences[:most], *more]


def as_markdown(rows: Sequence[Row], named: Sequence[Named] = ()) -> str:
    """Return the tables as Markdown."""
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *(cells(row) for row in rows)]
    if named:
        lines += [(), ("test", "cases", "outcome"), ("---", "---", "---")]
        lines += [(f"`{each.test}`", ",".join(map(str, each.cases)), each.outcome) for each in named]
    return "".join(f"| {' | '.join(line)} |\n" if line else "\n" for line in lines)


def write(path: Path, rows: Sequence[Row], named: Sequence[Named], seed: int) -> None:
    """Write the tables to a file: Markdown where its name ends so, else JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".md":
        path.write_text(f"Seed {seed}.\n\n{as_markdown(rows, named)}", encoding="utf-8")
    else:
        body = {"seed": seed, "rows": [asdict(row) for row in rows], "tests": [asdict(each) for each in named]}
        path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
