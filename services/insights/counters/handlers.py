"""Counting a batch of one partition (design §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

import msgspec
from prometheus_client import Counter

from services.insights.counters.buckets import QUARTER_MS, OutOfRange, buckets_of
from services.insights.counters.campaigns import Clicker, Heard, clickers_of
from services.insights.counters.facts import Reader
from services.insights.counters.model import Sighting, changes, gather, slot_name
from services.insights.counters.store import Counters, DayVisit
from shared.clock import from_millis
from shared.consumer import BadRecord, Record


@dataclass(frozen=True)
class CountDeps:
    """What counting needs: the store, an account's zone by its slug, and a metric for what belongs to no account."""

    counters: Counters
    zone: Callable[[str], tzinfo | None]
    skipped: Counter


async def count(records: Sequence[Record], read: Reader, deps: CountDeps) -> None:
    """Count a batch of one partition: read the slots it touches, fold what is new, write, again where one moved.

    Raises:
        BadRecord: a record cannot be read; nothing of the batch is counted then.
        PyMongoError: the store cannot be reached; the same batch again is right.
    """
    zones: dict[str, tzinfo] = {}
    sightings = list(_known(records, read, deps, zones))
    if not sightings:
        return
    at = records[0].at
    slot = slot_name(at.topic, at.partition)
    shares = gather(sightings, zones)
    while moves := changes(shares, await deps.counters.slots(shares.keys(), slot)):
        if await deps.counters.swap(slot, moves):
            break
    await _note(sightings, zones, deps.counters)
    await deps.counters.note_newest(records[0].topic, _newest(sightings))


def _known(records: Sequence[Record], read: Reader, deps: CountDeps, zones: dict[str, tzinfo]) -> Iterator[Sighting]:
    """Yield what is of a known account, and fill in the accounts' zones."""
    for record in records:
        sighting = _sighting(record, read)
        channel, at = sighting.reading.channel, sighting.reading.at
        zone = zones.get(channel) or deps.zone(channel)
        if zone is None:
            deps.skipped.labels(record.topic).inc()
            continue
        zones[channel] = zone
        try:
            buckets_of(at // QUARTER_MS, zone)
        except OutOfRange as error:
            raise BadRecord(str(error)) from None
        yield sighting


def _sighting(record: Record, read: Reader) -> Sighting:
    if record.value is None:
        raise BadRecord("the record is empty")
    try:
        return Sighting(record.at.offset, read(record.value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord(f"the record cannot be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return what msgspec says where it speaks of types and paths only; anything else may quote the record."""
    return str(error) if isinstance(error, msgspec.ValidationError) else error.__class__.__name__


async def _note(sightings: Iterable[Sighting], zones: Mapping[str, tzinfo], counters: Counters) -> None:
    """Note what is no counter: who visited, who clicked a campaign, what is told of campaigns."""
    visits: list[DayVisit] = []
    clickers: list[Clicker] = []
    heard: list[Heard] = []
    for _, (channel, at, _, visit, news) in sightings:
        if visit is not None:
            visits.append(DayVisit(channel, buckets_of(at // QUARTER_MS, zones[channel]).day.label, visit))
            clickers += clickers_of(channel, visit)
        if news is not None:
            heard.append(Heard(channel, from_millis(at), news))
    await counters.add_visits(visits)
    await counters.note_clickers(clickers)
    await counters.note_campaigns(heard)


def _newest(sightings: Iterable[Sighting]) -> dict[str, datetime]:
    newest: dict[str, int] = {}
    for _, reading in sightings:
        newest[reading.channel] = max(reading.at, newest.get(reading.channel, reading.at))
    return {channel: from_millis(at) for channel, at in newest.items()}
