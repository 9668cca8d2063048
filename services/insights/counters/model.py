"""Counting rules: what a batch of one partition adds to which counter, exactly once (design §8). Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple

from services.insights.counters.buckets import QUARTER_MS, Bucket, buckets_of


class Tally(NamedTuple):
    """What one event adds to one series of numbers."""

    metric: str
    dimension: str = ""
    amount: int = 1


class Visit(NamedTuple):
    """A browser that opened a link: counted once a day however often it clicks. `member`: whose link it was."""

    link: str
    visitor: str
    member: str | None = None


class CampaignNews(NamedTuple):
    """What is to be known of a campaign besides its numbers; absent values say nothing. A higher version is newer."""

    campaign: str
    version: int = 0
    state: str | None = None
    reason: str | None = None
    name: str | None = None
    frozen: bool = False


class Reading(NamedTuple):
    """What counting needs of an event; `at` is its own time in UNIX milliseconds."""

    channel: str
    at: int
    tallies: tuple[Tally, ...]
    visit: Visit | None = None
    news: CampaignNews | None = None


class Sighting(NamedTuple):
    """A reading and the offset of the record it comes from."""

    offset: int
    reading: Reading


class CounterKey(NamedTuple):
    """Names a counter: one series of an account in one bucket."""

    channel: str
    metric: str
    dimension: str
    bucket: Bucket

    @property
    def id(self) -> str:
        """Its document's id. The dimension comes last, so that nothing in it can be taken for another part."""
        return f"{self.channel}|{self.metric}|{self.bucket.grain}|{self.bucket.label}|{self.dimension}"


class Slot(NamedTuple):
    """A partition's part of a counter: what it adds up to, and the offset of the last record in it."""

    total: int
    offset: int


class Change(NamedTuple):
    """A slot that moves on, provided that it still is what was read."""

    key: CounterKey
    before: Slot | None
    after: Slot


class Share(NamedTuple):
    """Records (by offset, ascending) that each add `amount` to a counter."""

    offsets: Sequence[int]
    amount: int

    def beyond(self, offset: int) -> int:
        """Return what the records after an offset add."""
        return (len(self.offsets) - bisect_right(self.offsets, offset)) * self.amount


def slot_name(topic: str, partition: int) -> str:
    """Return a partition's name inside a counter. Dots would be path separators there, so they are encoded."""
    return f"{topic.replace('%', '%25').replace('.', '%2E')}/{partition}"


def gather(sightings: Iterable[Sighting], zones: Mapping[str, tzinfo]) -> dict[CounterKey, list[Share]]:
    """Fold a batch of one partition, in order of offset, into what it adds to each counter.

    Events alike in account, quarter of an hour and tallies are folded first, so that the cost is one list entry an
    event and the rest is by distinct keys.

    Raises:
        OutOfRange: an event's time is no real one.
    """
    alike: dict[tuple[str, int, tuple[Tally, ...]], list[int]] = {}
    for offset, reading in sightings:
        alike.setdefault((reading.channel, reading.at // QUARTER_MS, reading.tallies), []).append(offset)
    shares: dict[CounterKey, list[Share]] = {}
    for (channel, quarter, tallies), offsets in alike.items():
        buckets = buckets_of(quarter, zones[channel])
        for metric, dimension, amount in tallies:
            for bucket in buckets:
                shares.setdefault(CounterKey(channel, metric, dimension, bucket), []).append(Share(offsets, amount))
    return shares


def changes(shares: Mapping[CounterKey, Sequence[Share]], slots: Mapping[CounterKey, Slot]) -> list[Change]:
    """Return how the slots of one partition move on; what is at or below a slot's offset is in it already."""
    moves = []
    for key, parts in shares.items():
        before = slots.get(key)
        total, offset = before or Slot(0, -1)
        last = max(part.offsets[-1] for part in parts)
        if last > offset:
            added = sum(part.beyond(offset) for part in parts)
            moves.append(Change(key, before, Slot(total + added, last)))
    return moves
