"""What readers of every topic share: bounded names, checked amounts and times."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec

from services.insights.counters.model import Tally

OTHER = "other"
LONGEST_NAME = 100
CAMPAIGN_PREFIX = "cmp_"

Amount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_CAMPAIGN_LINK = re.compile(r"(cmp_[A-Za-z0-9]{1,60})\.[0-9]{1,6}")


def bounded(text: str) -> str:
    """Keep a name that came from outside from growing a counter's id without limit."""
    return text if len(text) <= LONGEST_NAME else OTHER


def arrival(topic: str, kind: str) -> Tally:
    """Return the count of a record by its topic and type."""
    return Tally("events", f"{topic}:{kind}")


def campaign_of(link: str) -> str | None:
    """Return the campaign that a link `{campaign}.{i}` belongs to, None where it is of none."""
    if not link.startswith(CAMPAIGN_PREFIX):
        return None
    match = _CAMPAIGN_LINK.fullmatch(link)
    return match[1] if match else None
