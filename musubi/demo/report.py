"""The report: what the story was, what the services say of it, what was lost and what came twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from musubi.demo.counts import BOUND_MEMBERS, BOUND_SHARE, REACH
from musubi.demo.oracle import Difference

MOST_SHOWN = 40


@dataclass
class AccountReport:
    """One account. `counted` is what insights counted during the story, the levels are as they stand after it."""

    slug: str
    name: str
    friends: int
    """People of the story who are friends at its end."""
    counted: dict[str, int]
    levels: dict[str, Any]


@dataclass
class Report:
    """A story that was played to its end."""

    seed: str
    crowd: str
    people: int
    seconds: float = 0.0
    accounts: list[AccountReport] = field(default_factory=list)
    webhooks: dict[str, int] = field(default_factory=dict)
    """As the stand-in counts: webhooks, sent, duplicated, redelivered, …"""
    swallowed: dict[str, int] = field(default_factory=dict)
    """Duplicates by service. At least so many where one of its processes was killed."""
    killed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ticket: dict[str, Any] = field(default_factory=dict)
    """The customer's, as staff see it at its end."""
    campaign: str = ""
    """Id of the campaign."""
    campaign_progress: dict[str, Any] = field(default_factory=dict)
    """How it ended, as broadcast tells."""
    effects: int = 0
    """How many effects were compared."""
    differences: list[Difference] = field(default_factory=list)

    def count(self, what: str) -> int:
        """How many effects were lost, came twice or were not called for."""
        return sum(difference.count for difference in self.differences if difference.what == what)

    @property
    def clean(self) -> bool:
        """Whether everything happened exactly once."""
        return not self.differences

    def as_json(self) -> str:
        """Return the report as data."""
        totals = {what: self.count(what) for what in ("lost", "twice", "uncalled")}
        return json.dumps(asdict(self) | totals | {"clean": self.clean}, ensure_ascii=False, indent=2) + "\n"


def show(report: Report, console: Console) -> None:
    """Print the report for people."""
    console.print()
    console.print(
        f"The story of {report.people:,} friends (crowd {report.crowd}), played in {report.seconds:.0f} s", style="bold"
    )
    console.print(_accounts(report))
    console.print()
    console.print(_whole(report))
    _show_differences(report, console)


def _accounts(report: Report) -> Table:
    table = Table("", box=None, pad_edge=False)
    for account in report.accounts:
        table.add_column(f"{account.name}\n{account.slug}", justify="right")
    rows: list[tuple[str, Callable[[AccountReport], str]]] = [
        ("friends at the end", lambda account: f"{account.friends:,}"),
        ("reach (all friends of the account)", lambda account: _level(account.levels[REACH])),
        ("adds", lambda account: f"{_sum(account, 'adds, '):,}"),
        ("  of them came back", lambda account: f"{account.counted.get('adds, came back', 0):,}"),
        ("blocks", lambda account: f"{account.counted.get('blocks', 0):,}"),
    ]
    rows += [(f"{name}", _counter(name)) for name in _names(report, "from source ")]
    rows += [("from no known source", lambda account: f"{_sum(account, 'adds, ') - _sum(account, 'from source '):,}")]
    rows += [("messages in", lambda account: f"{_sum(account, 'in, '):,}")]
    rows += [(f"  {name.removeprefix('in, ')}", _counter(name)) for name in _names(report, "in, ")]
    rows += [("messages out", lambda account: f"{_sum(account, 'out, '):,}")]
    rows += [(f"  {name.removeprefix('out, ')}", _counter(name)) for name in _names(report, "out, ")]
    rows += [
        ("clicks", lambda account: f"{_sum(account, 'clicks of '):,}"),
        ("bound members", lambda account: _level(account.levels[BOUND_MEMBERS])),
        ("bound share of reach", lambda account: _share(account.levels[BOUND_SHARE])),
    ]
    for title, value in rows:
        table.add_row(title, *(value(account) for account in report.accounts))
    return table


def _names(report: Report, prefix: str) -> list[str]:
    return sorted({name for account in report.accounts for name in account.counted if name.startswith(prefix)})


def _sum(account: AccountReport, prefix: str) -> int:
    return sum(count for name, count in account.counted.items() if name.startswith(prefix))


def _counter(name: str) -> Callable[[AccountReport], str]:
    return lambda account: f"{account.counted.get(name, 0):,}"


def _level(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _whole(report: Report) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    webhooks = report.webhooks
    least = "at least " if any(name.rpartition("-")[0] in report.swallowed for name in report.killed) else ""
    sent = (
        f"{webhooks['webhooks']:,}, of them {webhooks['duplicated']:,} twice; {webhooks['redelivered']:,} redelivered"
    )
    table.add_row("webhooks", sent)
    swallowed = ", ".join(f"{count:,} by {service}" for service, count in report.swallowed.items())
    table.add_row("duplicates swallowed", least + swallowed)
    if report.killed:
        table.add_row("killed with kill -9", ", ".join(report.killed))
    if report.ticket:
        table.add_row("the customer's ticket", _ticket(report.ticket))
    if report.campaign_progress:
        table.add_row("the campaign", _campaign(report.campaign_progress))
    for note in report.notes:
        table.add_row("note", note)
    table.add_row("effects compared", f"{report.effects:,}")
    for what, words in (("lost", "effects lost"), ("twice", "effects twice"), ("uncalled", "effects not called for")):
        count = report.count(what)
        if count or what != "uncalled":
            table.add_row(words, f"{count:,}", style="bold red" if count else "bold green")
    return table


def _ticket(ticket: dict[str, Any]) -> str:
    first, resolved = ticket["first_response_seconds"], ticket["resolution_seconds"]
    return (
        f"number {ticket['number']}, {ticket['photos']} photos, {ticket['state']}: "
        f"first response after {first:.1f} s, resolved after {resolved:.1f} s"
    )


def _campaign(progress: dict[str, Any]) -> str:
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in progress["skipped"].items()) or "none"
    return (
        f"{progress['frozen']['recipients']:,} frozen in {progress['frozen']['chunks']:,} requests, "
        f"{progress['accepted']:,} accepted, skipped: {skipped}; "
        f"{progress['clicks']:,} clicked, {progress['blocked']:,} blocked"
    )


def _show_differences(report: Report, console: Console) -> None:
    lines: Iterable[Difference] = report.differences[:MOST_SHOWN]
    for difference in lines:
        console.print(f"✗ {difference.what}: {difference.text}", markup=False)
    if len(report.differences) > MOST_SHOWN:
        console.print(f"  … and {len(report.differences) - MOST_SHOWN} more (--json FILE has all)", markup=False)
