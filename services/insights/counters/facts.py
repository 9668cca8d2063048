"""Reading the facts of a topic: by type into what they count, the unknown under `other`, the unreadable refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from services.insights.counters.model import CampaignNews, Reading, Tally, Visit
from services.insights.counters.naming import OTHER, Moment, arrival
from shared.clock import to_millis

Reader = Callable[[bytes], Reading]
"""Reads the value of a record. Raises msgspec.DecodeError where it cannot be read."""


class BareFact(msgspec.Struct, frozen=True):
    """What every fact has."""

    type: str
    channel: str
    occurred_at: Moment


FactT = TypeVar("FactT", bound=BareFact)
Series = Mapping[str, Callable[[FactT], tuple[Tally, ...]]]
"""By type of fact: what it counts besides itself."""

_BARE = msgspec.json.Decoder(BareFact)


def fact_reader(
    topic: str,
    kind: type[FactT],
    series: Series[FactT],
    *,
    visit: Callable[[FactT], Visit | None] | None = None,
    news: Callable[[FactT], CampaignNews | None] | None = None,
) -> Reader:
    """Return the reader of a topic's facts.

    Args:
        topic: where they come from.
        kind: their counted fields; absent ones keep their defaults.
        series: what each known type counts.
        visit: what browser a fact tells of.
        news: what it says of a campaign.
    """
    decoder = msgspec.json.Decoder(kind)

    def read(value: bytes) -> Reading:
        try:
            fact = decoder.decode(value)
        except msgspec.ValidationError:
            bare = _BARE.decode(value)
            if bare.type in series:
                raise
            return Reading(bare.channel, to_millis(bare.occurred_at), (arrival(topic, OTHER),))
        at = to_millis(fact.occurred_at)
        tallies_of = series.get(fact.type)
        if tallies_of is None:
            return Reading(fact.channel, at, (arrival(topic, OTHER),))
        tallies = (arrival(topic, fact.type), *tallies_of(fact))
        return Reading(fact.channel, at, tallies, visit(fact) if visit else None, news(fact) if news else None)

    return read
