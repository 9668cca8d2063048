"""What becomes of content that a user sent: pure rules.

wanted ──Downloaded──► kept
  ▲ │ └──Missing──► gone   └──TooLarge──► too_large   └──Unsent──► erased
  └─┘ 202, 401, 429, 5xx, cut off: again, later and later, for 24 hours, then failed
any ──unsent by the user, or the person erased──► erased
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import regex

from shared.line.content import ContentOutcome, Downloaded, Missing, Preparing, TooLarge, Unsent
from shared.line.outcomes import Rejected

State = Literal["wanted", "kept", "gone", "erased", "too_large", "failed"]

WANTED: State = "wanted"
KEPT: State = "kept"
ERASED: State = "erased"
TOO_LARGE: State = "too_large"
FAILED: State = "failed"

KINDS = frozenset({"image", "video", "audio", "file"})
"""LINE's message types that have content."""
GIVE_UP_AFTER = timedelta(hours=24)
_SHORTEST, _LONGEST = timedelta(seconds=2), timedelta(minutes=15)
_LONGEST_PREPARING = timedelta(seconds=30)
"""LINE prepares a large video for seconds to minutes (202): asking costs little, and its time is running."""
_MEDIA_TYPE = regex.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_SHOWN_IN_PAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""What a browser may show by itself; not SVG, which can hold scripts."""
UNTYPED = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Content that LINE has and the desk wants."""

    channel: str
    message_id: str
    contact: str
    kind: str
    file_name: str | None = None
    size: int | None = None
    """In bytes, where LINE tells it beforehand (files)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of content, as it is stored."""

    id: str
    channel: str
    contact: str | None
    kind: str
    state: State
    wanted_at: datetime
    attempts: int = 0
    file_name: str | None = None
    size: int | None = None
    media_type: str | None = None
    sha256: str | None = None
    blob: str | None = None
    """Where its bytes are, or are being written."""
    due_at: datetime | None = None

    @property
    def message_id(self) -> str:
        """LINE's message id."""
        return self.id.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt led to: the state, and when to try again where it is still wanted."""

    state: State
    due_at: datetime | None = None


def piece_id(channel: str, message_id: str) -> str:
    """Return the id of a message's content."""
    return f"{channel}/{message_id}"


def wanted_of(channel: str, contact: str, message_id: str, kind: str, payload: Mapping[str, Any]) -> Wanted | None:
    """Return what to fetch for a message; None where it has no content that LINE keeps.

    An external provider's content stays where it is: its address came from outside, and fetching it would let a
    stranger send this service anywhere.
    """
    if kind not in KINDS:
        return None
    provider = payload.get("contentProvider")
    if kind != "file" and not (isinstance(provider, Mapping) and provider.get("type") == "line"):
        return None
    name, size = payload.get("fileName"), payload.get("fileSize")
    return Wanted(
        channel=channel,
        message_id=message_id,
        contact=contact,
        kind=kind,
        file_name=name if isinstance(name, str) else None,
        size=size if isinstance(size, int) else None,
    )


def judge(outcome: ContentOutcome, piece: Piece, now: datetime) -> Verdict:
    """Return what follows from an attempt's outcome."""
    match outcome:
        case Downloaded():
            return Verdict(KEPT)
        case Missing():
            return Verdict("gone")
        case Unsent():
            return Verdict(ERASED)
        case TooLarge():
            return Verdict(TOO_LARGE)
        case Rejected():
            return Verdict(FAILED)
    longest = _LONGEST_PREPARING if isinstance(outcome, Preparing) else _LONGEST
    return again(piece, now, longest)


def again(piece: Piece, now: datetime, longest: timedelta = _LONGEST) -> Verdict:
    """Return when to try once more: each time twice as late, up to `longest`; failed once a day is over."""
    if now - piece.wanted_at >= GIVE_UP_AFTER:
        return Verdict(FAILED)
    return Verdict(WANTED, now + min(longest, _SHORTEST * 2 ** min(max(piece.attempts - 1, 0), 16)))


def media_type(told: str | None) -> str:
    """Return a content type that is safe to pass on: LINE's own where it is well formed."""
    plain = (told or "").partition(";")[0].strip().lower()
    return plain if _MEDIA_TYPE.fullmatch(plain) else UNTYPED


def may_be_shown(kind: str) -> bool:
    """Whether a browser may show content of this type in its page; everything else is for saving."""
    return kind in _SHOWN_IN_PAGES
