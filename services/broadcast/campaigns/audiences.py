"""Whom a campaign means: its segment's or its own expression, resolved once, counted for the estimate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from services.broadcast.campaigns.model import Audience, Campaign, Estimate
from services.broadcast.people.store import PeopleStore, TooSlow
from services.broadcast.segments.filters import compile_filter
from services.broadcast.segments.model import Expression
from services.broadcast.segments.reading import RESOLVED, BadExpression, read_expression
from services.broadcast.segments.writing import write_expression
from shared.clock import Now
from shared.mongo import Document
from shared.problems import Problem

EVERYONE: Mapping[str, Any] = {"all": []}


def frozen_filter(campaign: Campaign) -> Document:
    """Return the filter of a started campaign's audience: "within 7 days" is back from its start, however long it takes.

    Raises:
        ValueError: it has not been started.
    """
    if campaign.audience.resolved is None or campaign.started_at is None:
        raise ValueError("the campaign has not been started")
    expression = read_expression(campaign.audience.resolved, campaign.channel, limits=RESOLVED)
    return compile_filter(expression, campaign.started_at)
