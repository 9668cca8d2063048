"""What LINE's answer to a chunk means for it (design §6, §7). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.broadcast.sending.model import PauseReason
from shared.line.outcomes import (
    Accepted,
    Busy,
    Outcome,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Unauthorised,
    Unknown,
)

MOST_REVISIONS = 5
"""So many recipients whose id LINE refuses are taken out of a chunk one by one; with more the chunk is rejected."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the same bytes are sent again: doubled each time."""

_BAD_RECIPIENT = re.compile(r"\bto\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Ended:
    """It is over."""

    state: Literal["accepted", "rejected", "unknown"]
    request_id: str | None = None
    problem: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The same bytes under the same retry key, `wait` seconds from now."""

    wait: float
    doubted: bool
    slower: bool = False


@dataclass(frozen=True, slots=True)
class Back:
    """Not now: pending again, or due again with the same bytes where an attempt is doubted; its campaign may pause."""

    doubted: bool
    pause: PauseReason | None = None


@dataclass(frozen=True, slots=True)
class Without:
    """LINE refuses one recipient's id, and so everybody: again without that one."""

    position: int


Verdict = Ended | Again | Back | Without


def verdict(outcome: Outcome, *, attempts: int, revision: int) -> Verdict:
    """Judge an answer.

    Args:
        outcome: LINE's.
        attempts: how often these bytes were tried, this time included.
        revision: how many recipients LINE has refused already.
    """
    match outcome:
        case Accepted(request_id=request_id):
            return Ended("accepted", request_id)
        case Rejected(status=403):
            return Back(doubted=True, pause="unauthorised")
        case Rejected():
            position = _bad_recipient(outcome) if revision < MOST_REVISIONS else None
            return _rejected(outcome) if position is None else Without(position)
        case RateLimited(may_have_been_accepted=doubted) | Busy(may_have_been_accepted=doubted):
            return Again(_wait(attempts), doubted, slower=True)
        case QuotaExhausted(may_have_been_accepted=doubted):
            return Back(doubted, "quota")
        case Unauthorised(may_have_been_accepted=doubted):
            return Back(doubted, "unauthorised")
        case Unknown(reason="retry_key_expired", request_id=request_id):
            return Ended("unknown", request_id)
        case Unknown(reason="held_back", may_have_been_accepted=doubted):
            return Back(doubted)
        case Unknown(may_have_been_accepted=doubted):
            return Again(_wait(attempts), doubted)


def _wait(attempts: int) -> float:
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts - 1, 16))


def _bad_recipient(outcome: Rejected) -> int | None:
    """Return the position of the recipient that LINE names, `to[3]`; None where it names none, or several."""
    texts = [outcome.message, *(detail.property or "" for detail in outcome.details)]
    positions = {int(position) for text in texts for position in _BAD_RECIPIENT.findall(text)}
    return positions.pop() if len(positions) == 1 else None


def _rejected(outcome: Rejected) -> Ended:
    """Keep what LINE complains about, not its words: they may quote people or texts."""
    properties = sorted({detail.property for detail in outcome.details if detail.property})
    return Ended("rejected", outcome.request_id, {"status": outcome.status, "properties": properties})


class Rejections:
    """The latest ends of a campaign's chunks: so many rejected among so many, and it should pause."""

    def __init__(self, most: int, among: int) -> None:
        self._most = most
        self._among = among
        self._latest: dict[str, Sequence[bool]] = {}

    def note(self, campaign: str, *, rejected: bool) -> bool:
        """Note how a chunk ended; True where the campaign has reached its limit, which starts it anew."""
        latest = [*self._latest.get(campaign, ()), rejected][-self._among :]
        too_many = latest.count(True) >= self._most
        self._latest[campaign] = [] if too_many else latest
        return too_many

    def keep(self, campaigns: Sequence[str]) -> None:
        """Forget all campaigns but these."""
        self._latest = {campaign: latest for campaign, latest in self._latest.items() if campaign in campaigns}
