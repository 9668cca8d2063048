"""Duplicates are added up over the deaths of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import aiohttp

from musubi.demo.duplicates import Swallowed
from musubi.demo.stack_file import StackFile

HEAD = "# TYPE consumer_records_total counter\n"


class Processes:
    """Stands in for the session: what the ops ports answer; an absent one does not answer."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def counts(self, address: str, began: float, duplicates: int) -> None:
        """Have a process count so many duplicates since it began."""
        labels = '{outcome="duplicate",topic="line.events"}'
        handled = 'consumer_records_total{outcome="handled",topic="line.events"} 99\n'
        count = f"consumer_records_total{labels} {duplicates}\n"
        created = f"# TYPE consumer_records_created gauge\nconsumer_records_created{labels} {began}\n"
        self.texts[f"{address}/metrics"] = HEAD + handled + count + created

    def get(self, url: str) -> Processes:
        """Ask."""
        self.asked = url
        return self

    async def __aenter__(self) -> Processes:
        if self.asked not in self.texts:
            raise aiohttp.ClientConnectionError
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def text(self) -> str:
        """The metrics."""
        return self.texts[self.asked]


class Addresses(StackFile):
    """A stack of one binding and one insights."""

    def __init__(self) -> None:
        super().__init__(Path("stack.json"))

    def ops(self, service: str) -> list[str]:
        """Its ops port."""
        return [f"http://{service}"]


async def test_counts_go_on_after_a_death_and_begin_with_the_story() -> None:
    processes = Processes()
    swallowed = Swallowed(cast(Any, processes), Addresses())
    processes.counts("http://binding", 1.0, 5)
    await swallowed.begin()
    processes.counts("http://binding", 1.0, 8)
    processes.counts("http://insights", 2.0, 4)
    await swallowed.look()
    processes.texts.pop("http://binding/metrics")
    await swallowed.look()
    processes.counts("http://binding", 9.0, 2)
    await swallowed.look()
    found = swallowed.by_service()
    assert {service: count for service, count in found.items() if count} == {"binding": 5, "insights": 4}
