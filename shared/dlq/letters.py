"""A dead letter as people see it, and what a list of them is cut down by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from shared.consumer.dead_letters import ATTEMPTS, ERROR_CLASS, ERROR_TEXT, FIRST_FAILED_AT, HANDLER, LAST_FAILED_AT
from shared.consumer.records import Record

State = Literal["open", "replayed", "dropped"]
"""What became of a letter: nothing yet, its second chance, the decision that it needs none."""


class Dropped(BaseModel):
    """The decision to leave a letter: who, when, why."""

    by: str
    at: datetime
    why: str


class LetterView(BaseModel):
    """A dead letter: where it came from, why it died, what was decided about it."""

    id: str
    service: str
    topic: str
    partition: int
    offset: int
    handler: str
    error_class: str
    error: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    dead_since: datetime
    event_id: str | None
    bytes: int
    replayed: bool = False
    dropped: Dropped | None = None

    @property
    def state(self) -> State:
        """What became of it; dropped counts where it was replayed before, too."""
        if self.dropped is not None:
            return "dropped"
        return "replayed" if self.replayed else "open"


class LetterBody(LetterView):
    """A dead letter with what it holds, as it was read; personal data may be in it."""

    key: str | None
    value: str | None
    headers: dict[str, str]


class LetterPage(BaseModel):
    """A page of dead letters, newest first."""

    items: list[LetterView]
    next_cursor: str | None


class LetterCounts(BaseModel):
    """A service's dead letters by state; `open` are those nobody has dealt with."""

    service: str
    open: int
    replayed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters: None of a field means any. Times are those of dying, `since` included, `until` not."""

    topic: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    states: frozenset[State] = frozenset({"open", "replayed"})

    def takes(self, view: LetterView) -> bool:
        """Whether a letter is one of them."""
        return (
            self.topic in {None, view.topic}
            and self.error in {None, view.error_class}
            and (self.since is None or view.dead_since >= self.since)
            and (self.until is None or view.dead_since < self.until)
            and view.state in self.states
        )


def letter_id(record: Record) -> str:
    """Return a letter's name: where it lies in `dlq.{service}`."""
    return f"{record.at.partition}-{record.at.offset}"


def header_texts(record: Record) -> dict[str, str]:
    """Return a record's headers as text."""
    return {name: value.decode("utf-8", "replace") for name, value in record.headers}


def letter_fields(record: Record, service: str) -> dict[str, object]:
    """Return the fields of a letter's view, without what was decided about it."""
    headers = header_texts(record)
    return {
        "id": letter_id(record),
        "service": service,
        "topic": record.origin.topic,
        "partition": record.origin.partition,
        "offset": record.origin.offset,
        "handler": headers.get(HANDLER, ""),
        "error_class": headers.get(ERROR_CLASS, ""),
        "error": headers.get(ERROR_TEXT, ""),
        "attempts": int(headers.get(ATTEMPTS, "0")),
        "first_failed_at": headers.get(FIRST_FAILED_AT, ""),
        "last_failed_at": headers.get(LAST_FAILED_AT, ""),
        "dead_since": record.written_at,
        "event_id": record.event_id,
        "bytes": len(record.value or b""),
    }


def letter_view(record: Record, service: str, decided: Mapping[str, object]) -> LetterView:
    """Return a letter without what it holds; `decided` is what was decided about it."""
    return LetterView.model_validate(letter_fields(record, service) | dict(decided))


def letter_body(record: Record, service: str, decided: Mapping[str, object]) -> LetterBody:
    """Return a letter with what it holds."""
    content = {"key": _text(record.key), "value": _text(record.value), "headers": header_texts(record)}
    return LetterBody.model_validate(letter_fields(record, service) | dict(decided) | content)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
