"""The reports for staff: `GET /v1/insights/{channel}/…`, as JSON or CSV."""
# No postponed annotations here: FastAPI could not resolve those that name a dependency made inside a function.

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response

from services.insights.counters.buckets import Grain
from services.insights.counters.store import MongoCounters
from services.insights.reports import model
from services.insights.reports.csv import to_csv
from services.insights.reports.periods import BadPeriod, Period, read_period
from services.insights.reports.recipes import RECIPES, Reading, Recipe
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channel
from shared.clock import Now
from shared.problems import Problem
from shared.spreadsheets import CSV_TYPE

AS_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "JSON, or CSV by `Accept: text/csv` or `format=csv`"}
}

FirstDate = Annotated[str | None, Query(alias="from", description="first date in the account's zone, YYYY-MM-DD")]
LastDate = Annotated[str | None, Query(alias="to", description="last date, included; by default the last seven days")]
CutBy = Annotated[Grain, Query(description="day: 400 days at most; hour: 31 days at most")]
Format = Annotated[Literal["json", "csv"] | None, Query(alias="format", description="else by the Accept header")]


class Asked(NamedTuple):
    """A checked request: an account the caller sees, a period in its zone, and the present moment."""

    channel: str
    period: Period
    now: datetime


def report_routes(
    counters: MongoCounters, account_of: Callable[[str], Channel | None], keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes. A channel the caller does not see is a 404, a wrong span a 422 that names the parameter."""
    router = APIRouter(prefix="/v1/insights/{channel}", tags=["insights"], responses=AS_CSV)
    reader = Annotated[Principal, Depends(allowed(keys, "insights.read"))]

    async def asked(
        channel: str, principal: reader, first: FirstDate = None, last: LastDate = None, grain: CutBy = "day"
    ) -> Asked:
        account = account_of(channel)
        if account is None or not principal.sees(channel):
            raise Problem("not-found", "no such channel")
        moment = now()
        try:
            period = read_period(first, last, grain, account.zone, moment)
        except BadPeriod as error:
            raise Problem("invalid", errors=[{"pointer": f"/query/{error.field}", "detail": str(error)}]) from None
        return Asked(channel, period, moment)

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
        if chosen == "csv" or (chosen is None and "text/csv" in request.headers.get("accept", "")):
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
