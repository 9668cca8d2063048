"""What was sent in and how each delivery was answered: the ground on which the oracle judges. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["follow", "text", "word"]
"""A follow (greeted once), a text (kept, not answered), a text with a keyword (kept, answered once)."""

ANSWERED_AS: dict[Kind, str | None] = {"follow": "greeting", "text": None, "word": "auto_reply"}
"""By kind: what its one answer is called, where it has one."""


@dataclass
class Sent:
    """One webhook event; `answers` holds the status of each delivery, None where none came."""

    id: str
    kind: Kind
    channel: str
    user: str
    message_id: str | None = None
    answers: list[int | None] = field(default_factory=list)

    @property
    def contact(self) -> str:
        """The contact it came from."""
        return f"{self.channel}:{self.user}"

    @property
    def accepted(self) -> bool:
        """Whether any delivery of it was answered 200."""
        return 200 in self.answers


@dataclass
class Ledger:
    """Every event by its id, and what the deliveries were like."""

    events: dict[str, Sent] = field(default_factory=dict)
    statuses: Counter[int | None] = field(default_factory=Counter)
    """Deliveries of bodies, by how they were answered."""
    slowest: dict[int, float] = field(default_factory=dict)
    """By status: the longest that an answer took, in seconds."""

    def add(self, events: Iterable[Sent]) -> None:
        """Note events before their first delivery."""
        self.events.update({event.id: event for event in events})

    def answered(self, events: Sequence[Sent], status: int | None, seconds: float) -> None:
        """Note how one delivery of these was answered."""
        for event in events:
            event.answers.append(status)
        self.statuses[status] += 1
        if status is not None:
            self.slowest[status] = max(seconds, self.slowest.get(status, 0.0))

    @property
    def accepted(self) -> set[str]:
        """Ids of the events that were answered 200."""
        return {event.id for event in self.events.values() if event.accepted}
