"""Narrowcast: sent in the background, in phases (REF "Send narrowcast message")."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError, bad_parameter, body_errors, not_found
from simulator.line.schema import require_valid
from simulator.line.sending import check_notification, checked, lines_of, retry_key, write_all
from simulator.world.accepts import Accept
from simulator.world.limits import iso_utc
from simulator.world.people import Person

FEWEST_WITH_FILTER = 50
FEWEST_FOR_DEMOGRAPHIC = 100
MOST_PARTS = 10
KEPT_SECONDS = 14 * 86400
_PHASE_SECONDS = 0.05


class Narrowcast:
    """One accepted narrowcast and how far it is."""

    def __init__(self, call: Call, targets: list[str], accepted_at: float) -> None:
        self.call = call
        self.targets = targets
        self.accepted_at = accepted_at
        self.completed_at: float | None = None
        self.phase = "waiting"
        self.success = 0
        self.error: tuple[int, str] | None = None

    def shown(self) -> dict[str, Any]:
        """Return the progress. LINE: counts are absent while waiting."""
        shown: dict[str, Any] = {"phase": self.phase, "acceptedTime": iso_utc(self.accepted_at)}
        if self.completed_at is not None:
            shown["completedTime"] = iso_utc(self.completed_at)
        if self.error is not None:
            shown["errorCode"], shown["failedDescription"] = self.error
        elif self.phase != "waiting":
            failed = len(self.targets) - self.success if self.phase == "succeeded" else 0
            shown |= {"successCount": self.success, "failureCount": failed, "targetCount": len(self.targets)}
        return shown


_ONE_OF = {"gender": "gender", "appType": "appType", "area": "areaCode"}
Test = Callable[[str], bool]


def _recipient_test(call: Call, recipient: dict[str, Any]) -> Test:
    kind = recipient["type"]
    if kind == "audience":
        audience = call.account.audiences.get(recipient.get("audienceGroupId", 0))
        if audience is None:
            raise LineError(400, f"Invalid audience group id: {recipient.get('audienceGroupId')}")
        members: set[str] = audience.members
        return members.__contains__
    if kind == "redelivery":
        earlier = call.account.narrowcasts.get(str(recipient.get("requestId")))
        if earlier is None or earlier.phase != "succeeded" or call.world.now() - earlier.accepted_at > KEPT_SECONDS:
            raise LineError(400, f"Invalid request id: {recipient.get('requestId')}")
        return set(earlier.targets).__contains__
    return _operator(recipient, "recipient", lambda part: _recipient_test(call, part))


def _operator(node: dict[str, Any], where: str, build: Callable[[dict[str, Any]], Test]) -> Test:
    given = [name for name in ("and", "or", "not") if name in node]
    if len(given) != 1 or not node[given[0]]:
        raise body_errors(("exactly one of and, or, not must be specified and may not be empty", where))
    if given[0] == "not":
        inner = build(node["not"])
        return lambda user_id: not inner(user_id)
    tests = [build(part) for part in node[given[0]]]
    combine = all if given[0] == "and" else any
    return lambda user_id: combine(test(user_id) for test in tests)


def _demographic_test(call: Call, node: dict[str, Any]) -> Test:
    if node["type"] == "operator":
        return _operator(node, "filter.demographic", lambda part: _demographic_test(call, part))
    people = call.world.people

    def test(user_id: str) -> bool:
        person = people.get(user_id)
        return person is not None and _matches(call, node, person)

    return test


def _matches(call: Call, node: dict[str, Any], person: Person) -> bool:
    guess, kind = person.guess(), node["type"]
    if kind in _ONE_OF:
        return guess[_ONE_OF[kind]] in node.get("oneOf", ())
    if kind == "age":
        age = int(guess["age"].removeprefix("from")[:2])
        least, below = (int(str(node.get(key, usual)).rpartition("_")[2]) for key, usual in (("gte", 0), ("lt", 999)))
        return least <= age < below
    if kind == "subscriptionPeriod":
        added = call.account.friendship(person.user_id).added_at or call.world.now()
        days = (call.world.now() - added) / 86400
        least, below = (int(str(node.get(key, usual)).rpartition("_")[2]) for key, usual in (("gte", 0), ("lt", 10**6)))
        return least <= days < below
    return False


def _parts(node: Any) -> int:
    """Count audience and redelivery objects, or demographic filter objects, below a node."""
    if isinstance(node, list):
        return sum(_parts(each) for each in node)
    if not isinstance(node, dict):
        return 0
    return sum(_parts(node.get(key)) for key in ("and", "or", "not")) if node.get("type") == "operator" else 1


def _check_shape(body: dict[str, Any]) -> None:
    for name, node in (("recipient", body.get("recipient")), ("filter", (body.get("filter") or {}).get("demographic"))):
        if _parts(node) > MOST_PARTS:
            raise body_errors((f"Size must be between 1 and {MOST_PARTS}", name))
    limit = body.get("limit") or {}
    if limit.get("forbidPartialDelivery") and not limit.get("upToRemainingQuota"):
        raise LineError(400, "The option forbidPartialDelivery must be used with upToRemainingQuota.")


def narrowcast(call: Call) -> Answer:
    """Accept a narrowcast (202); follow it by its request id."""
    key = retry_key(call)
    body = call.json()
    digest = checked.digest(body.get("messages"))
    require_valid("NarrowcastRequest", body | {"messages": [{"type": "text", "text": "checked before"}]})
    check_notification(body)
    _check_shape(body)
    targets = list(call.account.reach)
    demographic = (body.get("filter") or {}).get("demographic")
    if demographic and len(targets) < FEWEST_FOR_DEMOGRAPHIC:
        raise LineError(403, "Your account does not have enough friends")
    for test in [_recipient_test(call, body["recipient"])] if body.get("recipient") else []:
        targets = [user_id for user_id in targets if test(user_id)]
    for test in [_demographic_test(call, demographic)] if demographic else []:
        targets = [user_id for user_id in targets if test(user_id)]
    job = Narrowcast(call, targets, call.world.now())
    call.account.narrowcasts[call.request_id] = job
    entry = Accept("narrowcast", call.account.slug, call.request_id, job.accepted_at, ())
    entry.retry_key, entry.digest = key, digest
    entry.kinds = tuple(message["type"] for message in body["messages"])
    call.world.accepts.add(entry)
    if key is not None:
        call.account.retry_keys.accept(key, call.request_id, None)
    call.request.app.state.background.start(_run(job, body, entry))
    return Answer(status=202)


def _final_targets(job: Narrowcast, body: dict[str, Any]) -> list[str]:
    limit, quota = body.get("limit") or {}, job.call.account.quota
    targets = job.targets
    if "max" in limit:
        targets = targets[: limit["max"]]
    if limit.get("upToRemainingQuota") and len(targets) > quota.left:
        if limit.get("forbidPartialDelivery"):
            job.error = (5, "Cancelled by forbidPartialDelivery")
        targets = targets[: int(quota.left)]
    return targets


async def _run(job: Narrowcast, body: dict[str, Any], entry: Accept) -> None:
    """Go through the phases. LINE reserves the whole target reach from the quota while it runs."""
    quota = job.call.account.quota
    await asyncio.sleep(_PHASE_SECONDS)
    targets = _final_targets(job, body)
    narrowed = bool((body.get("filter") or {}).get("demographic")) or _names_estimated(job, body.get("recipient"))
    if narrowed and len(targets) < FEWEST_WITH_FILTER:
        job.error = (2, "The number of recipients is too small")
    if job.error is None and not quota.allows(len(targets)):
        job.error = (1, "The monthly limit does not allow that many messages")
    if job.error is None:
        job.phase, job.targets = "sending", targets
        quota.reserved += len(targets)
        await asyncio.sleep(_PHASE_SECONDS)
        quota.reserved -= len(targets)
        _deliver(job, body, entry)
    job.phase = "failed" if job.error else "succeeded"
    job.completed_at = job.call.world.now()


def _names_estimated(job: Narrowcast, recipient: Any) -> bool:
    """Whether the recipients are narrowed by anything but audiences of uploaded ids, which LINE exempts from the 50."""
    if isinstance(recipient, list):
        return any(_names_estimated(job, each) for each in recipient)
    if not isinstance(recipient, dict):
        return False
    if recipient.get("type") == "operator":
        return any(_names_estimated(job, recipient.get(key)) for key in ("and", "or", "not"))
    return recipient.get("type") == "redelivery"


def _deliver(job: Narrowcast, body: dict[str, Any], entry: Accept) -> None:
    call = job.call
    lines, _ = lines_of(call, body["messages"])
    delivered = tuple(user_id for user_id in job.targets if user_id in call.account.reach)
    for user_id in delivered:
        write_all(call, user_id, lines)
    call.account.quota.count(len(delivered))
    call.account.days.add("narrowcast", len(delivered))
    call.account.sendings[call.request_id] = {"at": job.accepted_at, "delivered": len(delivered), "lines": lines}
    job.success = len(delivered)
    entry.delivered_to = delivered


def progress(call: Call) -> Answer:
    """Return how far a narrowcast is; LINE keeps that 14 days."""
    request_id = call.query("requestId")
    if not request_id:
        raise bad_parameter("requestId")
    job: Narrowcast | None = call.account.narrowcasts.get(request_id)
    if job is None or call.world.now() - job.accepted_at > KEPT_SECONDS:
        raise not_found()
    return Answer(job.shown())


ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/message/narrowcast", narrowcast, "narrowcast", limit=Limit(60, 3600)),
    line_route("/v2/bot/message/progress/narrowcast", progress, "narrowcast_progress", "GET"),
]
