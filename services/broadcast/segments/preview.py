"""Whom an expression finds: the count, the reach, the first few."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from services.broadcast.people.model import Person
from services.broadcast.people.store import PeopleStore
from services.broadcast.segments.filters import compile_filter
from services.broadcast.segments.model import Expression

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """People who match, those of them who are friends, and the first few by contact, as of a time."""

    count: int
    reachable: int
    sample: list[Person]
    as_of: datetime


async def preview(people: PeopleStore, channel: str, expression: Expression, at: datetime) -> Preview:
    """Look up a resolved expression.

    Raises:
        TooSlow: the store took longer than it may for one question.
    """
    where = compile_filter(expression, at)
    count, reachable, sample = await asyncio.gather(
        people.count(channel, where),
        people.count(channel, where, reachable=True),
        people.sample(channel, where, SHOWN),
    )
    return Preview(count, reachable, sample, at)
