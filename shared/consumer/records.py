"""A consumed record, and the two kinds of error a handler may end in (design §5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.clock import from_millis

EVENT_ID = "event-id"
ORIGIN_TOPIC = "origin-topic"
ORIGIN_PARTITION = "origin-partition"
ORIGIN_OFFSET = "origin-offset"


class WorldDown(Exception):
    """A server this needs cannot be reached: the same record again, with backoff, never to the dead letters."""


class BadRecord(Exception):
    """The record breaks a rule and no retry will help: to the dead letters at once. Its text must hold no data."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a record stands in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as handlers see it. `origin` differs from `at` only for a replayed dead letter."""

    at: Coordinates
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    written_at: datetime
    origin: Coordinates

    def header(self, name: str) -> bytes | None:
        """Return the last header of this name."""
        for header, value in reversed(self.headers):
            if header == name:
                return value
        return None

    @property
    def event_id(self) -> str | None:
        """The id under which a repeat of this record is recognised, where it has one."""
        value = self.header(EVENT_ID)
        return value.decode("utf-8", "replace") if value else None

    @property
    def topic(self) -> str:
        """The topic the record was first written to: what decides who handles it."""
        return self.origin.topic


class _RawRecord(Protocol):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def _origin(at: Coordinates, headers: Iterable[tuple[str, bytes]]) -> Coordinates:
    found = {name: value for name, value in headers if name in {ORIGIN_TOPIC, ORIGIN_PARTITION, ORIGIN_OFFSET}}
    if len(found) < 3:
        return at
    try:
        return Coordinates(found[ORIGIN_TOPIC].decode(), int(found[ORIGIN_PARTITION]), int(found[ORIGIN_OFFSET]))
    except ValueError:
        return at


def read_record(raw: _RawRecord) -> Record:
    """Turn a client's record into ours."""
    at = Coordinates(raw.topic, raw.partition, raw.offset)
    headers = tuple(raw.headers)
    return Record(at, raw.key, raw.value, headers, from_millis(raw.timestamp), _origin(at, headers) if headers else at)
