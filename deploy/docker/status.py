"""What runs in containers, and whether it is well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.docker.engine import Container
from deploy.local.status import answers, ready_words


@dataclass(frozen=True)
class Row:
    """A container as `make status` shows it. `problem` is None where it is well."""

    name: str
    status: str
    address: str
    problem: str | None


def container_rows(containers: Iterable[Container], facts: dict[str, Any]) -> list[Row]:
    """Say of each container what Docker says of it and what it says itself when asked."""
    asked = {name: (address, problem) for name, address, problem in answers(facts)}
    rows = []
    for container in containers:
        plain = container.service if container.service not in facts["replicas"] else container.name
        address, problem = asked.get(plain, (facts["watching"].get(container.service, "-"), None))
        if problem is None and not container.well:
            problem = container.status or container.state
        rows.append(Row(container.name, container.status or container.state, address, problem))
    return rows


def show_containers(console: Console, rows: Iterable[Row]) -> None:
    """Print them as a table."""
    table = Table("container", "status", "address", "ready", box=None, pad_edge=False)
    table.columns[3].overflow = "fold"
    for row in rows:
        style = None if row.problem is None else "red"
        table.add_row(row.name, row.status, row.address, ready_words(row.problem), style=style)
    console.print(table)
    console.print()
