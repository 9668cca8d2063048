"""What every contract shares (design §3)."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """What every contract shares."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Fact(Event):
    """A fact with an id of its own, about an account."""

    id: str
    channel: str
    occurred_at: datetime
