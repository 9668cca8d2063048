"""Quota, sent counts, aggregation units, validation (REF "Message")."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, line_route
from simulator.line.errors import LineError, bad_parameter
from simulator.line.sending import checked
from simulator.world.limits import line_day, shown_quota

FIRST_DAY = "20180331"


def quota(call: Call) -> Answer:
    """Return the month's limit."""
    return Answer(shown_quota(call.account.quota))


def consumption(call: Call) -> Answer:
    """Return how many people were reached this month."""
    return Answer({"totalUsage": call.account.quota.used})


def day_of(call: Call, name: str = "date") -> str:
    """Return a date parameter (`yyyyMMdd`, UTC+9).

    Raises:
        LineError: 400.
    """
    day = call.query(name)
    if day is None or not re.fullmatch(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", day):
        raise bad_parameter(name)
    return day


def sent(call: Call) -> Answer:
    """LINE: counted within the next day; nothing before 2018-03-31."""
    day = day_of(call)
    if day < FIRST_DAY:
        return Answer({"status": "out_of_service"})
    if day >= line_day(call.world.now()):
        return Answer({"status": "unready"})
    return Answer({"status": "ready", "success": call.account.days.on(day)[call.path["kind"]]})


def unit_usage(call: Call) -> Answer:
    """Return how many unit names are used this month."""
    return Answer({"numOfCustomAggregationUnits": len(call.account.units.names())})


def unit_list(call: Call) -> Answer:
    """List this month's unit names, at most 100 a page."""
    limit, start = call.query("limit") or "100", call.query("start") or "0"
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        raise bad_parameter("limit")
    names = call.account.units.names()
    if not start.isdigit() or int(start) > len(names):
        raise LineError(400, "Invalid start param")
    end = int(start) + int(limit)
    page: dict[str, Any] = {"customAggregationUnits": names[int(start) : end]}
    if end < len(names):
        page["next"] = str(end)
    return Answer(page)


def validate(call: Call) -> Answer:
    """Check message objects; nothing is sent."""
    checked.digest(call.json().get("messages"))
    return Answer()


ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/message/quota", quota, "quota", "GET"),
    line_route("/v2/bot/message/quota/consumption", consumption, "quota_consumption", "GET"),
    *(
        line_route(f"/v2/bot/message/validate/{kind}", validate, f"validate_{kind}")
        for kind in ("reply", "push", "multicast", "narrowcast", "broadcast")
    ),
    line_route("/v2/bot/message/delivery/{kind}", sent, "sent_count", "GET"),
    line_route("/v2/bot/message/aggregation/info", unit_usage, "unit_usage", "GET"),
    line_route("/v2/bot/message/aggregation/list", unit_list, "unit_list", "GET"),
]
