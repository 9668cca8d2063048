"""What is sent: chunks of a frozen audience, their states, and who was in them. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

State = Literal["pending", "sending", "accepted", "rejected", "unknown", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
UNENDED: tuple[State, ...] = ("pending", "sending")

SkipReason = Literal[
    "blocked", "never_followed", "no_consent", "capped", "quiet_hours", "over_quota", "gone", "invalid"
]
SKIP_REASONS: tuple[SkipReason, ...] = get_args(SkipReason)

PauseReason = Literal["quota", "unauthorised", "errors"]

MOST_CHUNKS = 1_000_000
"""Of a campaign: a chunk's number has six digits in its id, so that ids sort as the numbers do."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Someone of the audience who is not sent to, and why."""

    contact: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk as the audience is frozen: contacts in rising order, all above the last of the chunk before.

    `recipients` are at most 500 (LINE's limit of a multicast); `skipped` are others between its first and last contact.
    """

    campaign: str
    channel: str
    n: int
    recipients: Sequence[str]
    skipped: Sequence[Skip] = ()

    @property
    def id(self) -> str:
        """The chunk's id, from which LINE's retry key is made."""
        return chunk_id(self.campaign, self.n)

    @property
    def first(self) -> str:
        """The lowest contact it covers."""
        return min([*self.recipients[:1], *(skip.contact for skip in self.skipped[:1])])

    @property
    def last(self) -> str:
        """The highest contact it covers."""
        return max([*self.recipients[-1:], *(skip.contact for skip in self.skipped[-1:])])


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was fixed when a chunk turned from pending to sending, and how often it was tried since."""

    claim: str
    """The token of the caller that may call LINE for it; another caller is another claim."""
    retry_key: str
    first_attempt_at: datetime
    attempts: int
    doubted: bool
    """An attempt may have been accepted: only the same bytes under the same key may be sent."""
    recipients: int
    body: str
    """Id of the stored bytes."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk without its people, who are kept apart (`Chunks.people`)."""

    id: str
    campaign: str
    channel: str
    n: int
    state: State
    first: str
    last: str
    frozen: int
    """How many recipients it had when the audience was frozen."""
    skips: Mapping[str, int]
    """Everyone skipped so far, by reason: when the audience was frozen and since."""
    people: str
    revision: int = 0
    """How often its recipients had to be fixed anew, each time under another retry key."""
    dropped: tuple[Skip, ...] = ()
    """Frozen recipients that are not sent to after all: they blocked, or LINE refuses their id."""
    until: datetime | None = None
    """While sending: nobody else touches it before."""
    attempt: Attempt | None = None
    request_id: str | None = None
    ended_at: datetime | None = None
    problem: Mapping[str, object] | None = None

    @property
    def dropped_by_reason(self) -> dict[str, int]:
        """Skipped since the audience was frozen."""
        return dict(Counter(skip.reason for skip in self.dropped))


@dataclass(frozen=True, slots=True)
class People:
    """Whom a chunk was frozen with."""

    recipients: tuple[str, ...]
    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """A campaign's chunks in numbers. A recipient counts under the state of the chunk; skipped ones count apart."""

    chunks: Mapping[State, int] = field(default_factory=dict)
    recipients: Mapping[State, int] = field(default_factory=dict)
    """Recipients less those dropped since."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """By reason: when frozen and since."""

    @property
    def unended(self) -> int:
        """Chunks that are still to be sent or answered."""
        return sum(self.chunks.get(state, 0) for state in UNENDED)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one person of a campaign."""

    contact: str
    outcome: State | Literal["skipped"]
    reason: str | None
    """Why skipped."""
    chunk: int
    request_id: str | None
    at: datetime | None
    """When LINE's answer was written down."""


def chunk_id(campaign: str, n: int) -> str:
    """Return the id of a campaign's chunk; ids sort as the numbers do.

    Raises:
        ValueError: the number has more than six digits or is negative.
    """
    if not 0 <= n < MOST_CHUNKS:
        raise ValueError(f"a campaign's chunks are numbered 0 to {MOST_CHUNKS - 1}, not {n}")
    return f"{campaign}.{n:06d}"


def left(people: People, dropped: Sequence[Skip]) -> list[str]:
    """Return the frozen recipients that are sent to."""
    if not dropped:
        return list(people.recipients)
    gone = {skip.contact for skip in dropped}
    return [contact for contact in people.recipients if contact not in gone]


def fates(chunk: Chunk, people: People) -> list[Fate]:
    """Return what became of everyone a chunk covers, in order of their contacts."""
    reasons = {skip.contact: skip.reason for skip in (*people.skipped, *chunk.dropped)}
    everyone = sorted({*people.recipients, *reasons})
    return [_fate(chunk, contact, reasons.get(contact)) for contact in everyone]


def _fate(chunk: Chunk, contact: str, reason: str | None) -> Fate:
    if reason is not None:
        return Fate(contact, "skipped", reason, chunk.n, None, None)
    return Fate(contact, chunk.state, None, chunk.n, chunk.request_id, chunk.ended_at)
