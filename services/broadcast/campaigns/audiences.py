"""Whom a campaign means: its segment's or its own expression, pinned when it starts, counted for the estimate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.broadcast.campaigns.model import Audience, Campaign, Estimate
from services.broadcast.people.store import PeopleStore, TooSlow
from services.broadcast.segments.reading import BadExpression
from services.broadcast.segments.resolving import Audiences, frozen_filter
from shared.mongo import Document
from shared.problems import Problem


def written(audience: Audience) -> Mapping[str, Any]:
    """Return the expression an audience stands for."""
    if audience.segment is not None:
        return {"field": "segment", "is": audience.segment}
    return {"all": []} if audience.expression is None else audience.expression


def filter_of(campaign: Campaign) -> Document:
    """Return the filter of a started campaign's audience: neither segments nor time change it any more.

    Raises:
        ValueError: it has not been started.
    """
    if campaign.audience.pinned is None:
        raise ValueError("the campaign has not been started")
    return frozen_filter(campaign.channel, campaign.audience.pinned)


class CampaignAudiences:
    """Pins and counts audiences."""

    def __init__(self, audiences: Audiences, people: PeopleStore) -> None:
        self._audiences = audiences
        self._people = people

    async def pin(self, channel: str, audience: Audience, at: datetime) -> Mapping[str, Any]:
        """Return the expression that an audience means at a time, whatever becomes of segments since.

        Raises:
            Problem: 422 where it is wrong, or names a segment that is not there.
        """
        if audience.segment is not None and audience.expression is not None:
            raise _invalid([{"pointer": "/segment", "detail": "give a segment or an expression, not both"}])
        at_pointer = "/expression" if audience.segment is None else "/segment"
        try:
            return await self._audiences.freeze(channel, written(audience), at, at=at_pointer)
        except BadExpression as error:
            raise _invalid(error.errors) from None

    async def estimate(self, channel: str, pinned: Mapping[str, Any]) -> Estimate:
        """Count whom a pinned expression reaches now.

        Raises:
            Problem: 503 where the store needs too long.
        """
        where = frozen_filter(channel, pinned)
        never = {"following": None}
        try:
            matched, recipients, never_followed, friends = await asyncio.gather(
                self._people.count(channel, where),
                self._people.count(channel, where, reachable=True),
                self._people.count(channel, {"$and": [where, never]} if where else never),
                self._people.count(channel, {}, reachable=True),
            )
        except TooSlow:
            raise Problem("too-slow", "counting the audience takes too long: try again or narrow it") from None
        return Estimate(matched, recipients, never_followed, friends)


def _invalid(errors: list[dict[str, str]]) -> Problem:
    return Problem("invalid", errors=errors)
