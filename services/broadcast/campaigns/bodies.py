"""What staff send about campaigns, and what they see of them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.broadcast.campaigns.model import BlockLimit, Campaign, OverQuota, PausedReason, State
from shared.line.prepared import MOST_RECIPIENTS

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Unit = Annotated[str, Field(pattern="^[A-Za-z0-9_]{1,30}$", description="aggregation unit of LINE's statistics")]
Messages = Annotated[list[dict[str, Any]], Field(description="1 to 5 LINE message objects")]
ChunkSize = Annotated[int, Field(ge=1, le=MOST_RECIPIENTS, description="recipients of one request to LINE")]


class BlockLimitBody(BaseModel):
    """Pauses the campaign above so many blocks of a thousand accepted, looked at from `least` accepted on."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    per_1000: Annotated[float, Field(gt=0, le=1000)]
    least: Annotated[int, Field(ge=1, le=1_000_000)] = 100

    def limit(self) -> BlockLimit:
        """Return it as the campaign keeps it."""
        return BlockLimit(self.per_1000, self.least)


class CampaignBody(BaseModel):
    """A new campaign: to a stored segment, or to an expression of its own; neither means everyone."""

    model_config = ConfigDict(extra="forbid")

    channel: str
    name: Name
    segment: str | None = None
    expression: dict[str, Any] | None = None
    messages: Messages
    unit: Unit | None = None
    notification_disabled: bool = False
    chunk_size: ChunkSize = MOST_RECIPIENTS
    block_limit: BlockLimitBody | None = None


class CampaignEdit(BaseModel):
    """What changes; what is absent stays. `segment` takes the place of `expression`, and the other way round."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    segment: str | None = None
    expression: dict[str, Any] | None = None
    messages: Messages | None = None
    unit: Unit | None = None
    notification_disabled: bool | None = None
    chunk_size: ChunkSize | None = None
    block_limit: BlockLimitBody | None = None


class StartBody(BaseModel):
    """When to start: at once, or at a time with offset, shown in `zone` (the account's where absent)."""

    model_config = ConfigDict(extra="forbid")

    at: AwareDatetime | None = None
    zone: str | None = None
    over_quota: OverQuota = "hold"


class TrialBody(BaseModel):
    """Whom to send a test to: contacts `{channel}:{LINE user id}`."""

    model_config = ConfigDict(extra="forbid")

    contacts: Annotated[list[str], Field(min_length=1, max_length=10)]


class LinkView(BaseModel):
    """A tracked link: `place` points into the messages."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    place: str


class UntrackedView(BaseModel):
    """An address whose clicks will not be counted, and why."""

    model_config = ConfigDict(from_attributes=True)

    place: str
    url: str
    why: str


class ScheduleView(BaseModel):
    """When it starts, in the zone people read it in."""

    at: datetime
    zone: str


class FrozenView(BaseModel):
    """How far the audience is fixed."""

    done: bool
    chunks: int
    recipients: int
    skipped: dict[str, int]


class StepView(BaseModel):
    """A move in the campaign's history."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    by: str
    state: str
    reason: str | None


class CampaignSummary(BaseModel):
    """A campaign in a list."""

    id: str
    channel: str
    name: str
    state: State
    paused_reason: PausedReason | None
    schedule: ScheduleView | None
    segment: str | None
    expression: dict[str, Any] | None
    frozen: FrozenView
    blocked: int
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class CampaignView(CampaignSummary):
    """A campaign."""

    messages: list[dict[str, Any]]
    links: list[LinkView]
    unit: str
    notification_disabled: bool
    chunk_size: int
    block_limit: BlockLimitBody | None
    over_quota: OverQuota
    created_by: str
    history: list[StepView]


class CampaignPage(BaseModel):
    """A page of campaigns."""

    items: list[CampaignSummary]
    next_cursor: str | None


class AudienceView(BaseModel):
    """Matched, less those skipped, is who would get it. `friends`: all whom the account reaches."""

    matched: int
    skipped: dict[str, int]
    recipients: int
    friends: int


class QuotaView(BaseModel):
    """People this month (LINE counts people, whatever the bubbles); `lacks`: for how many of them nothing is left."""

    known: bool
    limit: int | None
    used: int | None
    left: int | None
    lacks: int


class CheckView(BaseModel):
    """What sending it now would mean."""

    audience: AudienceView
    quota: QuotaView
    saved: int
    """People not charged, against sending to all friends."""
    links: list[LinkView]
    untracked: list[UntrackedView]
    line: Literal["accepted", "no_answer"]
    """What LINE's own validation said; what it refuses is a 422."""


class TrialEndView(BaseModel):
    """A test for one contact: waiting, push (LINE took it), or why not: rejected, quota, expired, unsettled."""

    contact: str
    state: str
    request_id: str | None


class TrialView(BaseModel):
    """A test send."""

    id: str
    campaign: str
    at: datetime
    contacts: list[TrialEndView]


class ProgressView(BaseModel):
    """Where the sending is: people, by what has become of them."""

    state: State
    paused_reason: PausedReason | None
    frozen: FrozenView
    pending: int
    sending: int
    accepted: int
    rejected: int
    unknown: int
    cancelled: int
    skipped: dict[str, int]
    """By reason: when the audience was frozen and since."""
    blocked: int
    rate: float
    """Accepted people a second, over the last minute."""
    seconds_left: float | None
    """At that rate; null where nothing moves."""
    as_of: datetime


class RecipientView(BaseModel):
    """What became of one person."""

    contact: str
    outcome: str
    """pending, sending, accepted, rejected, unknown, cancelled, skipped, or not_in_audience."""
    reason: str | None = None
    """Why skipped."""
    chunk: int | None = None
    request_id: str | None = None
    """LINE's, of the request that was accepted."""
    at: datetime | None = None


class RecipientPage(BaseModel):
    """A page of recipients; with an outcome asked for it may be short and still have a next one."""

    items: list[RecipientView]
    next_cursor: str | None


def summary(campaign: Campaign) -> CampaignSummary:
    """Return what a list shows of a campaign."""
    return CampaignSummary.model_validate(_summary_fields(campaign))


def view(campaign: Campaign) -> CampaignView:
    """Return what staff see of a campaign."""
    limit = campaign.block_limit
    return CampaignView.model_validate(
        _summary_fields(campaign)
        | {
            "messages": [dict(message) for message in campaign.messages],
            "links": [LinkView.model_validate(link) for link in campaign.links],
            "unit": campaign.unit,
            "notification_disabled": campaign.notification_disabled,
            "chunk_size": campaign.chunk_size,
            "block_limit": None if limit is None else BlockLimitBody.model_validate(limit),
            "over_quota": campaign.over_quota,
            "created_by": campaign.created_by,
            "history": [StepView.model_validate(step) for step in campaign.history],
        }
    )


def frozen_view(campaign: Campaign) -> FrozenView:
    """Return how far a campaign's audience is fixed."""
    frozen = campaign.frozen
    return FrozenView(
        done=frozen.done, chunks=frozen.chunks, recipients=frozen.recipients, skipped=dict(frozen.skipped)
    )


def _summary_fields(campaign: Campaign) -> dict[str, Any]:
    schedule = campaign.schedule
    expression = campaign.audience.expression
    return {
        "id": campaign.id,
        "channel": campaign.channel,
        "name": campaign.name,
        "state": campaign.state,
        "paused_reason": campaign.paused_reason,
        "schedule": None if schedule is None else ScheduleView(at=schedule.local, zone=schedule.zone),
        "segment": campaign.audience.segment,
        "expression": None if expression is None else dict(expression),
        "frozen": frozen_view(campaign),
        "blocked": campaign.blocked,
        "version": campaign.version,
        "created_at": campaign.created_at,
        "updated_at": campaign.updated_at,
        "started_at": campaign.started_at,
        "ended_at": campaign.ended_at,
    }
