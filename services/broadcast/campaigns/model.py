"""A campaign: its states, what may follow which, and the facts that tell it. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from services.broadcast.campaigns.links import TrackedLink
from services.broadcast.people.model import Person
from services.broadcast.sending.model import SkipReason
from shared.events import CampaignFrozen, CampaignStateChanged
from shared.ids import split_contact, stable_uuid

State = Literal["draft", "scheduled", "freezing", "running", "paused", "finished", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
PausedReason = Literal["staff", "quota", "unauthorised", "errors", "blocks", "overdue", "restored"]
OverQuota = Literal["hold", "send"]

FOLLOWING: Mapping[State, frozenset[State]] = {
    "draft": frozenset({"scheduled", "freezing", "cancelled"}),
    "scheduled": frozenset({"scheduled", "freezing", "paused", "cancelled"}),
    "freezing": frozenset({"running", "paused", "finished", "cancelled"}),
    "running": frozenset({"paused", "finished", "cancelled"}),
    "paused": frozenset({"freezing", "running", "finished", "cancelled"}),
    "finished": frozenset(),
    "cancelled": frozenset(),
}
"""What may follow which state."""
EDITABLE: frozenset[State] = frozenset({"draft", "scheduled"})
STARTABLE = EDITABLE
PAUSABLE: frozenset[State] = frozenset({"freezing", "running"})
OPEN: frozenset[State] = frozenset({"draft", "scheduled", "freezing", "running", "paused"})

OVERDUE = timedelta(hours=1)
"""A planned start that was missed for longer asks a person first (features F80)."""
BLAME = timedelta(hours=24)
"""For so long after its acceptance a campaign is charged with a block."""
IN_FLIGHT = timedelta(hours=1)
"""For so long an answer of LINE may be under way: a sender died, the campaign has ended meanwhile."""
HISTORY_KEPT = 200
_UNIT_CHARACTERS = 30
_LINE_USER = re.compile(r"U[0-9a-f]{32}")

SYSTEM = "system"
"""Who does what no person asked for."""


class NotAllowed(Exception):
    """The campaign's state does not allow this; the text says what does."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom to: a segment by id, or an expression of its own; without either, everyone."""

    segment: str | None = None
    expression: Mapping[str, Any] | None = None
    pinned: Mapping[str, Any] | None = None
    """What that meant when it was started, or will at its planned start: segments do not change it any more."""


@dataclass(frozen=True, slots=True)
class BlockLimit:
    """Pauses a running campaign: blocks of a thousand accepted recipients, looked at from `least` of them on."""

    per_1000: float
    least: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When it starts, and the zone people read that in."""

    at: datetime
    zone: str

    @property
    def local(self) -> datetime:
        """The time in that zone, with its offset."""
        return self.at.astimezone(ZoneInfo(self.zone))


@dataclass(frozen=True, slots=True)
class Frozen:
    """How far the audience is fixed: chunks 0 to `chunks` - 1, up to the contact `through`."""

    chunks: int = 0
    through: str | None = None
    recipients: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    done: bool = False

    def plus(self, through: str, recipients: int, skipped: Mapping[str, int]) -> Frozen:
        """Return it with one more chunk."""
        reasons = {*self.skipped, *skipped}
        sums = {reason: self.skipped.get(reason, 0) + skipped.get(reason, 0) for reason in sorted(reasons)}
        return Frozen(self.chunks + 1, through, self.recipients + recipients, sums)


@dataclass(frozen=True, slots=True)
class Step:
    """One move in a campaign's history."""

    at: datetime
    by: str
    state: State
    reason: str | None = None


@dataclass(slots=True)
class Campaign:
    """A campaign. `version` counts its changes; freezing and blocks are counted apart and do not change it."""

    id: str
    channel: str
    name: str
    audience: Audience
    messages: Sequence[Mapping[str, Any]]
    created_at: datetime
    created_by: str
    updated_at: datetime
    unit: str = ""
    notification_disabled: bool = False
    chunk_size: int = 500
    """Recipients of one request to LINE, at most."""
    block_limit: BlockLimit | None = None
    over_quota: OverQuota = "hold"
    links: Sequence[TrackedLink] = ()
    content: Sequence[Mapping[str, Any]] = ()
    """What is sent, its links tracked; fixed when it starts."""
    state: State = "draft"
    paused_reason: PausedReason | None = None
    schedule: Schedule | None = None
    frozen: Frozen = Frozen()
    blocked: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    history: list[Step] = field(default_factory=list)
    version: int = 0
    request: str = ""
    """Digest of the request that made it, to tell a repeat from another."""
    start_request: str | None = None
    """Which request started it, and its digest."""
    waiting: int = 0
    """Outbox items when it was read."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """People by what would become of them now: matched, less never followed and blocked, are the recipients."""

    matched: int
    recipients: int
    never_followed: int
    friends: int
    """All whom the account reaches."""

    @property
    def skipped(self) -> dict[str, int]:
        """Those who match and would not get it, by reason."""
        reasons = {
            "never_followed": self.never_followed,
            "blocked": self.matched - self.recipients - self.never_followed,
        }
        return {reason: count for reason, count in reasons.items() if count > 0}


def default_unit(campaign_id: str) -> str:
    """Return the aggregation unit of a campaign that names none (LINE: at most 30 letters, digits or _)."""
    return f"c_{stable_uuid('unit', campaign_id).hex}"[:_UNIT_CHARACTERS]


def move(
    campaign: Campaign, state: State, *, by: str, at: datetime, reason: PausedReason | None = None
) -> CampaignStateChanged:
    """Move a campaign on and return the fact that tells it, for the version it is about to be written as.

    Raises:
        NotAllowed: its state does not allow that.
    """
    if state not in FOLLOWING[campaign.state]:
        raise NotAllowed(f"a campaign that is {campaign.state} cannot become {state}")
    previous, campaign.state = campaign.state, state
    campaign.paused_reason = reason
    if state == "freezing" and campaign.started_at is None:
        campaign.started_at = at
    if state in {"finished", "cancelled"}:
        campaign.ended_at = at
    campaign.history = [*campaign.history, Step(at, by, state, reason)][-HISTORY_KEPT:]
    return state_changed(campaign, previous, by=by, at=at)


def state_changed(campaign: Campaign, previous: State | None, *, by: str, at: datetime) -> CampaignStateChanged:
    """Return the fact that a campaign came to its state, of the version it is about to be written as."""
    version = campaign.version + 1
    return CampaignStateChanged(
        id=f"cev_{stable_uuid('campaign_state', campaign.id, str(version)).hex}",
        channel=campaign.channel,
        occurred_at=at,
        campaign=campaign.id,
        state=campaign.state,
        previous=previous,
        by=by,
        reason=campaign.paused_reason,
        name=campaign.name,
        version=version,
    )


def frozen_fact(campaign: Campaign, at: datetime) -> CampaignFrozen:
    """Return the fact that the audience is fixed; there is one a campaign."""
    return CampaignFrozen(
        id=f"cev_{stable_uuid('campaign_frozen', campaign.id).hex}",
        channel=campaign.channel,
        occurred_at=at,
        campaign=campaign.id,
        recipients=campaign.frozen.recipients,
        chunks=campaign.frozen.chunks,
        skipped=dict(campaign.frozen.skipped),
    )


def resumed_state(campaign: Campaign) -> State:
    """Return where a paused campaign goes on: sending once its audience is fixed, else fixing it."""
    return "running" if campaign.frozen.done else "freezing"


def is_overdue(schedule: Schedule, now: datetime) -> bool:
    """Whether a planned start was missed for too long to just happen."""
    return now - schedule.at > OVERDUE


def too_many_blocks(limit: BlockLimit | None, blocked: int, accepted: int) -> bool:
    """Whether blocks of so many accepted recipients are above the campaign's limit."""
    if limit is None or accepted < limit.least:
        return False
    return blocked * 1000 > limit.per_1000 * accepted


def may_be_blamed(accepted_at: datetime, blocked_at: datetime) -> bool:
    """Whether a block is charged to what was accepted then.

    A recipient was a friend when the chunk began, and our note of LINE's acceptance may come after the block.
    """
    return -IN_FLIGHT <= blocked_at - accepted_at <= BLAME


def may_be_named(contact: str, channel: str) -> bool:
    """Whether this is a contact of the account that a message can be sent to."""
    slug, line_id = split_contact(contact)
    return slug == channel and _LINE_USER.fullmatch(line_id) is not None


def why_skipped(person: Person) -> SkipReason | None:
    """Return why somebody whom the segment has is not sent to, None for a recipient.

    A multicast names users only (LINE: one id that is none refuses all 500), and reaches friends only.
    """
    if not _LINE_USER.fullmatch(split_contact(person.contact)[1]):
        return "invalid"
    if person.following is None:
        return "never_followed"
    return None if person.following else "blocked"
