"""What a report may be asked: an account the caller sees, a period in its zone, JSON or CSV."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Query
from starlette.requests import Request

from services.insights.counters.buckets import Grain
from services.insights.reports.periods import BadPeriod, Period, read_period
from shared.auth import Principal
from shared.channels import Channel
from shared.problems import Problem

AS_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}}, "description": "JSON, or CSV by `Accept: text/csv` or `format=csv`"}
}

FirstDate = Annotated[str | None, Query(alias="from", description="first date in the account's zone, YYYY-MM-DD")]
LastDate = Annotated[str | None, Query(alias="to", description="last date, included; by default the last seven days")]
CutBy = Annotated[Grain, Query(description="day: 400 days at most; hour: 31 days at most")]
Format = Annotated[Literal["json", "csv"] | None, Query(alias="format", description="else by the Accept header")]

AccountOf = Callable[[str], Channel | None]
"""Returns the account of a slug, None where there is none."""


class Asked(NamedTuple):
    """A checked request: an account the caller sees, a period in its zone, and the present moment."""

    channel: str
    period: Period
    now: datetime


def ask(
    channel: str,
    principal: Principal,
    account_of: AccountOf,
    now: datetime,
    first: str | None = None,
    last: str | None = None,
    grain: Grain = "day",
) -> Asked:
    """Check a request.

    Raises:
        Problem: 404 for an account the caller does not see; 422 for a wrong period, naming the parameter.
    """
    account = account_of(channel)
    if account is None or not principal.sees(channel):
        raise Problem("not-found", "no such channel")
    try:
        return Asked(channel, read_period(first, last, grain, account.zone, now), now)
    except BadPeriod as error:
        raise Problem("invalid", errors=[{"pointer": f"/query/{error.field}", "detail": str(error)}]) from None


def as_csv(request: Request, chosen: Literal["json", "csv"] | None) -> bool:
    """Whether CSV is wanted: by the parameter, else by the Accept header."""
    return chosen == "csv" or (chosen is None and "text/csv" in request.headers.get("accept", ""))
