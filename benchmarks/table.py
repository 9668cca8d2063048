"""The table people read: each ratio with today's figure beside its goals."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.catalogue import ALL
from benchmarks.goals import Goal
from benchmarks.results import Entry

COLOURS = {"very good": "bold green", "good": "green", "below": "yellow"}


def print_table(console: Console, found: Mapping[str, Entry]) -> None:
    """Print every benchmark there is; one without a figure shows a dash."""
    table = Table(title="Ratios, median of the rounds (lowest–highest); CPU is that of the measured process alone")
    table.add_column("id")
    table.add_column("ratio", min_width=24)
    for name in ("seen before", "good", "very good"):
        table.add_column(name, no_wrap=True)
    for name in ("today", "per second", "CPU µs an item"):
        table.add_column(name, justify="right", no_wrap=True)
    for goal in (benchmark.goal for benchmark in ALL):
        limits = (goal.seen, goal.written(goal.good), goal.written(goal.very_good))
        table.add_row(goal.id, goal.title, *limits, *_today(goal, found.get(goal.id)))
    console.print(table)


def _today(goal: Goal, entry: Entry | None) -> tuple[Text | str, str, str]:
    if entry is None:
        return "–", "–", "–"
    unit = " ms" if goal.unit == "ms" else ""
    figure = f"{entry['value']:.3g}{unit} ({entry['lowest']:.3g}–{entry['highest']:.3g})\n{entry['verdict']}"
    if remark := entry["notes"].get("remark"):
        figure += f"\n{remark}"
    return (
        Text(figure, style=COLOURS[entry["verdict"]]),
        _both(entry, "per_second", ",.0f"),
        _both(entry, "cpu_us", ".1f"),
    )


def _both(entry: Entry, figure: str, form: str) -> str:
    pair = [entry["subject"], *([entry["yardstick"]] if entry["yardstick"] else [])]
    return "\n÷ ".join(format(contender[figure], form) for contender in pair)
