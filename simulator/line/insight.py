"""Insight figures (REF "Insights"): days in UTC+9, ready the next day, null where fewer than 20 people stand behind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.counts import day_of
from simulator.line.errors import LineError, bad_parameter, not_found
from simulator.world.limits import line_day

FEWEST = 20
_AN_HOUR = Limit(60, 3600)
_DELIVERY_NAMES = {
    "broadcast": "apiBroadcast",
    "push": "apiPush",
    "multicast": "apiMulticast",
    "narrowcast": "apiNarrowcast",
    "reply": "apiReply",
}


def _status(call: Call, day: str, first: str) -> str:
    if day < first:
        return "out_of_service"
    return "ready" if day < line_day(call.world.now()) else "unready"


def followers(call: Call) -> Answer:
    """LINE: `followers` counts first adds and never falls; `blocks` falls when people unblock."""
    day = day_of(call)
    status = _status(call, day, "20161101")
    if status != "ready":
        return Answer({"status": status, "followers": None, "targetedReaches": None, "blocks": None})
    days = call.account.days
    adds = days.until(day, "adds")
    blocks = days.until(day, "blocks") - days.until(day, "unblocks")
    return Answer({"status": status, "followers": adds, "targetedReaches": adds - blocks, "blocks": blocks})


def deliveries(call: Call) -> Answer:
    """Return messages sent by API on a day; only the kinds that occurred."""
    day = day_of(call)
    status = _status(call, day, "20170301")
    counts = call.account.days.on(day) if status == "ready" else Counter[str]()
    shown = {name: counts[kind] for kind, name in _DELIVERY_NAMES.items() if counts[kind]}
    return Answer({"status": status, **shown})


def demographic(call: Call) -> Answer:
    """LINE: estimates of friends, in percent, from a reach of 20 on."""
    people = [person for user_id in call.account.reach if (person := call.world.people.get(user_id))]
    if len(people) < FEWEST:
        names = ("genders", "ages", "areas", "appTypes", "subscriptionPeriods")
        return Answer({"available": False, **{name: [] for name in names}})
    guesses = [person.guess() for person in people]
    shown: dict[str, Any] = {"available": True}
    for plural, name in (("genders", "gender"), ("ages", "age"), ("areas", "area"), ("appTypes", "appType")):
        counts = Counter(guess[name] for guess in guesses)
        shown[plural] = [{name: value, "percentage": round(100 * n / len(people), 1)} for value, n in counts.items()]
    shown["subscriptionPeriods"] = [{"subscriptionPeriod": "within7days", "percentage": 100.0}]
    return Answer(shown)


def message_event(call: Call) -> Answer:
    """LINE: for broadcasts and narrowcasts; nobody's impressions are known here, so they stay null below 20."""
    request_id = call.query("requestId")
    if not request_id:
        raise bad_parameter("requestId")
    sending = call.account.sendings.get(request_id)
    if sending is None:
        raise not_found()
    seen = call.account.seen.get(request_id, set())
    return Answer(
        {
            "overview": {
                "requestId": request_id,
                "timestamp": int(sending["at"]),
                "delivered": sending["delivered"],
                "uniqueImpression": _shown(len(seen)),
                "uniqueClick": None,
                "uniqueMediaPlayed": None,
                "uniqueMediaPlayed100Percent": None,
            },
            "messages": [_message_figures(seq, len(seen)) for seq in range(1, len(sending["lines"]) + 1)],
            "clicks": [],
        }
    )


def _shown(people: int) -> int | None:
    return people if people >= FEWEST else None


def _message_figures(seq: int, people: int) -> dict[str, Any]:
    played = ("", "25Percent", "50Percent", "75Percent", "100Percent")
    figures: dict[str, Any] = {"seq": seq, "impression": _shown(people)}
    for share in played:
        figures[f"mediaPlayed{share}"] = figures[f"uniqueMediaPlayed{share}"] = None
    return figures


def per_unit(call: Call) -> Answer:
    """LINE: figures of push and multicast under one aggregation unit, over at most 30 days; no delivered count."""
    unit = call.query("customAggregationUnit")
    start, end = day_of(call, "from"), day_of(call, "to")
    if not unit:
        raise bad_parameter("customAggregationUnit")
    if end < start:
        raise LineError(400, "Parameter to must be the same date as, or after parameter from.")
    known = unit in call.account.units.names()
    overview = {"uniqueImpression": None, "uniqueClick": None, "uniqueMediaPlayed": None}
    messages = [_message_figures(1, 0) | {"uniqueImpression": None}] if known else []
    return Answer({"overview": overview | {"uniqueMediaPlayed100Percent": None}, "messages": messages, "clicks": []})


_PATH = "/v2/bot/insight"

ROUTES: list[BaseRoute] = [
    line_route(f"{_PATH}/followers", followers, "insight_followers", "GET", _AN_HOUR),
    line_route(f"{_PATH}/message/delivery", deliveries, "insight_deliveries", "GET", _AN_HOUR),
    line_route(f"{_PATH}/demographic", demographic, "insight_demographic", "GET", _AN_HOUR),
    line_route(f"{_PATH}/message/event", message_event, "insight_message", "GET", _AN_HOUR),
    line_route(f"{_PATH}/message/event/aggregation", per_unit, "insight_unit", "GET", _AN_HOUR),
]
