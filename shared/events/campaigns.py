"""What became of a campaign: campaign.events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.events.base import Fact


class CampaignFact(Fact):
    """A fact about a campaign."""

    campaign: str


class CampaignStateChanged(CampaignFact):
    """campaign.events: a campaign moved on: draft, scheduled, freezing, running, paused, finished, cancelled."""

    type: Literal["state_changed"] = "state_changed"
    state: str
    previous: str | None = None
    by: str
    """A key's id, or `system`."""
    reason: str | None = None
    """Why it was paused: staff, quota, unauthorised, errors, blocks, overdue, restored (from a backup)."""
    name: str | None = None
    version: int = 0
    """Of the campaign: a higher one is newer."""


class CampaignFrozen(CampaignFact):
    """campaign.events: the audience is fixed."""

    type: Literal["frozen"] = "frozen"
    recipients: int
    chunks: int
    skipped: dict[str, int] = Field(default_factory=dict)
    """By reason, of those who matched the segment."""


class ChunkAccepted(CampaignFact):
    """campaign.events: LINE accepted a chunk. Counts only; who they are is broadcast's to tell."""

    type: Literal["chunk_accepted"] = "chunk_accepted"
    chunk: int
    recipients: int
    skipped: dict[str, int] = Field(default_factory=dict)
    """Skipped since the audience was frozen, by reason."""
    request_id: str | None = None


class ChunkFailed(CampaignFact):
    """campaign.events: a chunk ended without LINE's acceptance, or nobody knows whether it was accepted."""

    type: Literal["chunk_failed"] = "chunk_failed"
    chunk: int
    recipients: int
    skipped: dict[str, int] = Field(default_factory=dict)
    end: Literal["rejected", "unknown"]


class RecipientBlocked(CampaignFact):
    """campaign.events: a recipient blocked the account within 24 h of a campaign's acceptance."""

    type: Literal["recipient_blocked"] = "recipient_blocked"
    contact: str
