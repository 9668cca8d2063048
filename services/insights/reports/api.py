"""The reports for staff: `GET /v1/insights/{channel}/…`, as JSON or CSV."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from services.insights.counters.store import MongoCounters
from services.insights.reports import model
from services.insights.reports.csv import to_csv
from services.insights.reports.recipes import RECIPES, Reading, Recipe
from services.insights.reports.requests import AS_CSV, AccountOf, Asked, CutBy, FirstDate, Format, LastDate, as_csv, ask
from shared.auth import AdminKeys, Principal, allowed
from shared.clock import Now
from shared.spreadsheets import CSV_TYPE


def report_routes(counters: MongoCounters, account_of: AccountOf, keys: AdminKeys, now: Now) -> APIRouter:
    """Return the routes. A channel the caller does not see is a 404, a wrong span a 422 that names the parameter."""
    router = APIRouter(prefix="/v1/insights/{channel}", tags=["insights"], responses=AS_CSV)
    reader = Annotated[Principal, Depends(allowed(keys, "insights.read"))]

    async def asked(
        channel: str, principal: reader, first: FirstDate = None, last: LastDate = None, grain: CutBy = "day"
    ) -> Asked:
        return ask(channel, principal, account_of, now(), first, last, grain)

    for recipe in RECIPES:
        router.add_api_route(
            f"/{recipe.name}",
            _route(recipe, counters, asked),
            response_model=recipe.kind,
            name=recipe.name,
            summary=recipe.title,
        )
    return router


def _route(
    recipe: Recipe, counters: MongoCounters, asked: Callable[..., Awaitable[Asked]]
) -> Callable[..., Awaitable[object]]:
    checked = Annotated[Asked, Depends(asked)]

    async def answer(request: Request, query: checked, chosen: Format = None) -> object:
        report = await _report(recipe, query, counters)
        if as_csv(request, chosen):
            return Response(to_csv(report), media_type=CSV_TYPE)
        return report

    return answer


async def _report(recipe: Recipe, query: Asked, counters: MongoCounters) -> model.Report[Any, Any]:
    reading = Reading(query.channel, query.period, query.now, await counters.newest(query.channel), counters)
    items, totals = await recipe.build(reading)
    period = query.period
    sources = model.origins(recipe.measures, reading.newest, period)
    return recipe.kind(
        channel=query.channel,
        timezone=period.zone.key,
        grain=period.grain,
        first=period.first,
        last=period.last,
        as_of=model.newest_of(sources),
        generated_at=query.now.astimezone(period.zone),
        items=list(items),
        totals=totals,
        sources=sources,
    )
