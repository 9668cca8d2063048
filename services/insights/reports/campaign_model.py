"""The shape of what is reported of campaigns: numbers of a campaign's whole life, not of a period."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from services.insights.reports.model import LinkClicks, Model, Origin

Order = Literal["newest", "accepted", "click_rate", "clicks", "blocked_per_1000"]


class CampaignNumbers(Model):
    """What adds up over campaigns."""

    accepted: int = 0
    rejected: int = 0
    unsettled: int = 0
    skipped: int = 0
    skipped_by_reason: dict[str, int] = Field(default_factory=dict)
    campaign_clicks: int = 0
    campaign_robot_clicks: int = 0
    blocked: int = 0


class CampaignItem(CampaignNumbers):
    """A campaign. `matched`, `frozen` and `pending` are null until its audience is frozen; rates while accepted is 0.

    `name` and `state` are null where broadcast has not told them (yet).
    """

    campaign: str
    name: str | None = None
    state: str | None = None
    reason: str | None = None
    first_at: datetime
    frozen_at: datetime | None = None
    matched: int | None = None
    frozen: int | None = None
    pending: int | None = None
    campaign_browsers: int = 0
    clicked_members: int = 0
    clickers: int = 0
    click_rate: float | None = None
    blocked_per_1000: float | None = None


class CampaignsTotals(CampaignNumbers):
    """All the campaigns listed. Clickers do not sum up: one may click several."""

    campaigns: int = 0


class _Envelope(Model):
    channel: str
    timezone: str
    as_of: datetime | None
    generated_at: datetime
    sources: dict[str, Origin]


class CampaignsReport(_Envelope):
    """The campaigns of which something was heard between two dates of the account."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    items: list[CampaignItem]
    totals: CampaignsTotals


class CampaignReport(_Envelope):
    """One campaign, and the clicks of each of its links, which sum up to the campaign's."""

    campaign: CampaignItem
    links: list[LinkClicks]
