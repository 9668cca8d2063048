"""What became of campaigns: `GET /v1/insights/{channel}/campaigns` and `…/campaigns/{id}`, as JSON or CSV."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.insights.counters.buckets import day_bucket
from services.insights.counters.campaigns import Campaign, Clickers
from services.insights.counters.store import MongoCounters
from services.insights.reports import model
from services.insights.reports.campaign_csv import campaigns_csv, links_csv
from services.insights.reports.campaign_model import CampaignItem, CampaignReport, CampaignsReport, Order
from services.insights.reports.campaigns import (
    CAMPAIGN_MEASURES,
    campaign_item,
    campaigns_totals,
    in_order,
    links_of,
    numbers_of,
)
from services.insights.reports.model import LinkClicks
from services.insights.reports.periods import Period
from services.insights.reports.requests import AS_CSV, AccountOf, Asked, FirstDate, Format, LastDate, as_csv, ask
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now
from shared.problems import Problem
from shared.spreadsheets import CSV_TYPE

MOST_CAMPAIGNS = 500
"""In one list."""

Sort = Annotated[Order, Query(description="the highest first; campaigns without that number last")]


def campaign_routes(counters: MongoCounters, account_of: AccountOf, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes. A campaign of another account is as unknown as one that is none."""
    router = APIRouter(prefix="/v1/insights/{channel}", tags=["insights"], responses=AS_CSV)
    reader = Annotated[Principal, Depends(allowed(keys, "insights.read"))]

    @router.get("/campaigns", response_model=CampaignsReport)
    async def campaigns(
        request: Request,
        channel: str,
        principal: reader,
        first: FirstDate = None,
        last: LastDate = None,
        sort: Sort = "newest",
        chosen: Format = None,
    ) -> object:
        """List the campaigns of which something was heard in the period, each with all its numbers from its beginning.

        At most 500; a longer list is a 422 that asks for a shorter period.
        """
        asked = ask(channel, principal, account_of, now(), first, last)
        report = await _list(asked, sort, counters)
        return Response(campaigns_csv(report), media_type=CSV_TYPE) if as_csv(request, chosen) else report

    @router.get("/campaigns/{campaign}", response_model=CampaignReport)
    async def campaign(
        request: Request, channel: str, campaign: str, principal: reader, chosen: Format = None
    ) -> object:
        """Show one campaign, and the clicks of each of its links."""
        asked = ask(channel, principal, account_of, now())
        known = await counters.campaigns.get(channel, campaign)
        if known is None:
            raise Problem("not-found", "no such campaign")
        report = await _one(asked, known, counters)
        return Response(links_csv(report), media_type=CSV_TYPE) if as_csv(request, chosen) else report

    return router


def _span(period: Period) -> tuple[datetime, datetime]:
    """Return when the period begins, and when it is over."""
    after = day_bucket(period.last + timedelta(days=1), period.zone)
    return day_bucket(period.first, period.zone).start, after.start


async def _list(asked: Asked, order: Order, counters: MongoCounters) -> CampaignsReport:
    newest = await counters.newest(asked.channel)
    found = await counters.campaigns.between(asked.channel, *_span(asked.period), MOST_CAMPAIGNS + 1)
    if len(found) > MOST_CAMPAIGNS:
        detail = f"more than {MOST_CAMPAIGNS} campaigns: ask for a shorter period"
        raise Problem("invalid", errors=[{"pointer": "/query/from", "detail": detail}])
    items = in_order([item for item, _ in await _read(asked, found, counters)], order)
    period, sources = asked.period, model.origins(CAMPAIGN_MEASURES, newest, asked.period)
    return CampaignsReport(
        channel=asked.channel,
        timezone=period.zone.key,
        first=period.first,
        last=period.last,
        as_of=model.newest_of(sources),
        generated_at=asked.now.astimezone(period.zone),
        sources=sources,
        items=items,
        totals=campaigns_totals(items),
    )


async def _one(asked: Asked, known: Campaign, counters: MongoCounters) -> CampaignReport:
    newest = await counters.newest(asked.channel)
    [(item, links)] = await _read(asked, [known], counters)
    period, sources = asked.period, model.origins(CAMPAIGN_MEASURES, newest, asked.period)
    return CampaignReport(
        channel=asked.channel,
        timezone=period.zone.key,
        as_of=model.newest_of(sources),
        generated_at=asked.now.astimezone(period.zone),
        sources=sources,
        campaign=item,
        links=links,
    )


async def _read(
    asked: Asked, found: Sequence[Campaign], counters: MongoCounters
) -> list[tuple[CampaignItem, list[LinkClicks]]]:
    names = [known.id for known in found]
    numbers = numbers_of([count async for count in counters.of_campaigns(asked.channel, names)])
    clickers = await counters.campaigns.clickers(asked.channel, names)
    items = []
    for known in found:
        counts, people = numbers.get(known.id, Counter()), clickers.get(known.id, Clickers())
        items.append((campaign_item(known, counts, people, asked.period.zone), links_of(counts)))
    return items
