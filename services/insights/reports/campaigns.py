"""Building what is reported of campaigns from their counters. Pure; definitions stand in `measures.py`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

from services.insights.counters import campaign_readings as series
from services.insights.counters.campaigns import Campaign, Clickers
from services.insights.counters.naming import campaign_of
from services.insights.counters.store import Count
from services.insights.reports.builders import link_clicks
from services.insights.reports.campaign_model import CampaignItem, CampaignsTotals, Order
from services.insights.reports.measures import MEASURES
from services.insights.reports.model import LinkClicks

CAMPAIGN_MEASURES = tuple(name for name in CampaignItem.model_fields if name in MEASURES)

Numbers = Mapping[tuple[str, str], int]
"""A campaign's counts from its beginning on, by metric and what stands behind the campaign in the dimension."""


def numbers_of(counts: Iterable[Count]) -> dict[str, Counter[tuple[str, str]]]:
    """Return the counts of each campaign, its days added up."""
    found: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for metric, dimension, _, value in counts:
        if metric == "clicks":
            campaign, rest = campaign_of(dimension.partition(":")[2]), dimension
        else:
            campaign, _, rest = dimension.partition(":")
        if campaign is not None:
            found[campaign][metric, rest] += value
    return found


def links_of(numbers: Numbers) -> list[LinkClicks]:
    """Return the clicks of each of a campaign's links."""
    return link_clicks({rest: value for (metric, rest), value in numbers.items() if metric == "clicks"})


def campaign_item(known: Campaign, numbers: Numbers, clickers: Clickers, zone: tzinfo) -> CampaignItem:
    """Build the numbers of one campaign; its times are in the account's zone."""
    links = links_of(numbers)
    accepted = numbers.get((series.ACCEPTED, ""), 0)
    ends = {end: numbers.get((series.FAILED, end), 0) for end in ("rejected", "unknown")}
    blocked = numbers.get((series.BLOCKS, ""), 0)
    skipped = {reason: n for (metric, reason), n in sorted(numbers.items()) if metric == series.SKIPPED}
    matched = numbers.get((series.MATCHED, ""))
    done = accepted + sum(ends.values()) + sum(skipped.values())
    return CampaignItem(
        campaign=known.id,
        name=known.name,
        state=known.state,
        reason=known.reason,
        first_at=known.first_at.astimezone(zone),
        frozen_at=known.frozen_at.astimezone(zone) if known.frozen_at else None,
        matched=matched,
        frozen=numbers.get((series.FROZEN, "")),
        accepted=accepted,
        rejected=ends["rejected"],
        unsettled=ends["unknown"],
        skipped=sum(skipped.values()),
        skipped_by_reason=skipped,
        pending=max(0, matched - done) if matched is not None else None,
        campaign_clicks=sum(link.clicks for link in links),
        campaign_robot_clicks=sum(link.robot_clicks for link in links),
        campaign_browsers=clickers.browsers,
        clicked_members=clickers.members,
        clickers=clickers.people,
        click_rate=round(clickers.people / accepted, 4) if accepted else None,
        blocked=blocked,
        blocked_per_1000=round(1000 * blocked / accepted, 2) if accepted else None,
    )


def in_order(items: Sequence[CampaignItem], order: Order) -> list[CampaignItem]:
    """Return campaigns by a number, the highest first, those without it last; equal ones the newest first."""
    newest = sorted(items, key=lambda item: item.first_at, reverse=True)
    if order == "newest":
        return newest
    name = "campaign_clicks" if order == "clicks" else order

    def rank(item: CampaignItem) -> float:
        value = getattr(item, name)
        return -1.0 if value is None else float(value)

    return sorted(newest, key=rank, reverse=True)


def campaigns_totals(items: Sequence[CampaignItem]) -> CampaignsTotals:
    """Add campaigns up."""
    reasons: Counter[str] = Counter()
    for item in items:
        reasons.update(item.skipped_by_reason)
    return CampaignsTotals(
        campaigns=len(items),
        accepted=sum(item.accepted for item in items),
        rejected=sum(item.rejected for item in items),
        unsettled=sum(item.unsettled for item in items),
        skipped=sum(item.skipped for item in items),
        skipped_by_reason=dict(sorted(reasons.items())),
        campaign_clicks=sum(item.campaign_clicks for item in items),
        campaign_robot_clicks=sum(item.campaign_robot_clicks for item in items),
        blocked=sum(item.blocked for item in items),
    )
