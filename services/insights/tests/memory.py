"""Counters in memory, with the store's rules: slots move only from what was read, and any write may be cut off."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from services.insights.counters.campaigns import Clicker, Heard
from services.insights.counters.model import CampaignNews, Change, CounterKey, Slot
from services.insights.counters.store import DayVisit


class Killed(Exception):
    """The process ended here."""


class MemoryCounters:
    """`survives` says, before each single write, whether the process lives to do it."""

    def __init__(self) -> None:
        self.held: dict[CounterKey, dict[str, Slot]] = {}
        self.visits: set[DayVisit] = set()
        self.clickers: set[Clicker] = set()
        self.campaigns: dict[tuple[str, str], CampaignNews] = {}
        self.times: dict[tuple[str, str], datetime] = {}
        self.survives: Callable[[], bool] = lambda: True

    async def slots(self, keys: Collection[CounterKey], slot: str) -> dict[CounterKey, Slot]:
        found = {key: self.held[key][slot] for key in keys if slot in self.held.get(key, {})}
        await asyncio.sleep(0)
        return found

    async def swap(self, slot: str, moves: Sequence[Change]) -> bool:
        unchanged = True
        for key, before, after in moves:
            await self._write()
            slots = self.held.setdefault(key, {})
            if slots.get(slot) == before:
                slots[slot] = after
            else:
                unchanged = False
        return unchanged

    async def add_visits(self, visits: Iterable[DayVisit]) -> None:
        for visit in visits:
            await self._write()
            self.visits.add(visit)

    async def note_clickers(self, clickers: Iterable[Clicker]) -> None:
        for clicker in clickers:
            await self._write()
            self.clickers.add(clicker)

    async def note_campaigns(self, heard: Iterable[Heard]) -> None:
        for channel, _, news in heard:
            await self._write()
            known = self.campaigns.get((channel, news.campaign))
            if known is None or known.version < news.version:
                self.campaigns[channel, news.campaign] = news

    async def note_newest(self, topic: str, newest: Mapping[str, datetime]) -> None:
        await self._write()
        for channel, moment in newest.items():
            self.times[channel, topic] = max(moment, self.times.get((channel, topic), moment))

    async def _write(self) -> None:
        await asyncio.sleep(0)
        if not self.survives():
            raise Killed

    def totals(self) -> Counter[tuple[str, str, str, str]]:
        """Return every counter that is not 0, by channel, metric, dimension and bucket label."""
        totals: Counter[tuple[str, str, str, str]] = Counter()
        for key, slots in self.held.items():
            totals[key.channel, key.metric, key.dimension, key.bucket.label] += sum(s.total for s in slots.values())
        return +totals
