"""Audiences of uploaded user ids, enough for narrowcasts to them (REF "Managing Audience")."""

from __future__ import annotations

import itertools
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError
from simulator.line.sending import USER_ID

MOST_IDS = 10_000
MOST_AUDIENCES = 1000
KEPT_SECONDS = 180 * 86400
_A_MINUTE = Limit(60, 60)
_ids = itertools.count(7_000_000_001)


class Audience:
    """People uploaded under one description; ids can be added, never removed."""

    def __init__(self, description: str, created: int) -> None:
        self.audience_id = next(_ids)
        self.description = description
        self.created = created
        self.members: set[str] = set()

    def shown(self) -> dict[str, Any]:
        """Return the audience as LINE shows it."""
        return {
            "audienceGroupId": self.audience_id,
            "type": "UPLOAD",
            "description": self.description,
            "status": "READY",
            "audienceCount": len(self.members),
            "created": self.created,
            "expireTimestamp": self.created + KEPT_SECONDS,
            "isIfaAudience": False,
            "permission": "READ_WRITE",
            "createRoute": "MESSAGING_API",
        }


def _refuse(message: str, code: str) -> LineError:
    return LineError(400, message, [{"message": code}])


def _members(call: Call, given: Any) -> set[str]:
    if given is None:
        return set()
    if not isinstance(given, list) or len(given) > MOST_IDS:
        raise _refuse("too many audience ids", "UPLOAD_AUDIENCE_GROUP_TOO_MANY_AUDIENCE_IDS")
    ids = [str(each.get("id")) if isinstance(each, dict) else "" for each in given]
    if not all(USER_ID.fullmatch(user_id) for user_id in ids):
        raise _refuse("Invalid audience id format", "UPLOAD_AUDIENCE_GROUP_INVALID_AUDIENCE_ID_FORMAT")
    return {user_id for user_id in ids if call.world.people.get(user_id) is not None}


def create(call: Call) -> Answer:
    """LINE: at most 1,000 audiences, 10,000 ids a call, a description of at most 120 characters."""
    body = call.json()
    description = body.get("description")
    if not isinstance(description, str) or not description:
        raise _refuse("audienceGroupName is empty", "AUDIENCE_GROUP_NAME_EMPTY")
    if len(description) > 120:
        raise _refuse("size over audienceGroupName", "AUDIENCE_GROUP_NAME_SIZE_OVER")
    if len(call.account.audiences) >= MOST_AUDIENCES:
        raise _refuse("too many audience groups", "AUDIENCE_GROUP_COUNT_MAX_OVER")
    audience = Audience(description, int(call.world.now()))
    audience.members = _members(call, body.get("audiences"))
    call.account.audiences[audience.audience_id] = audience
    shown = audience.shown()
    del shown["status"], shown["audienceCount"]
    return Answer(shown, 202)


def _audience(call: Call, audience_id: Any) -> Audience:
    audience: Audience | None = call.account.audiences.get(audience_id)
    if audience is None:
        raise _refuse("audience group not found", "AUDIENCE_GROUP_NOT_FOUND")
    return audience


def add(call: Call) -> Answer:
    """Add ids to an audience."""
    body = call.json()
    audience = _audience(call, body.get("audienceGroupId"))
    audience.members |= _members(call, body.get("audiences"))
    return Answer(status=202)


def get(call: Call) -> Answer:
    """Return one audience; the stand-in's jobs end at once."""
    return Answer({"audienceGroup": _audience(call, call.path["audience_id"]).shown(), "jobs": []})


def delete(call: Call) -> Answer:
    """Delete an audience."""
    del call.account.audiences[_audience(call, call.path["audience_id"]).audience_id]
    return Answer(status=202)


def listing(call: Call) -> Answer:
    """LINE: pages from 1 of at most 40."""
    page, size = call.query("page") or "1", call.query("size") or "20"
    if not size.isdigit() or not 1 <= int(size) <= 40:
        raise LineError(400, "size: must be less than or equal to 40", [{"message": "TOO_HIGH"}])
    if not page.isdigit() or int(page) < 1:
        raise LineError(400, "page: must be greater than or equal to 1", [{"message": "TOO_LOW"}])
    everything = [audience.shown() for audience in call.account.audiences.values()]
    start = (int(page) - 1) * int(size)
    return Answer(
        {
            "audienceGroups": everything[start : start + int(size)],
            "hasNextPage": start + int(size) < len(everything),
            "totalCount": len(everything),
            "readWriteAudienceGroupTotalCount": len(everything),
            "page": int(page),
            "size": int(size),
        }
    )


_PATH = "/v2/bot/audienceGroup"

ROUTES: list[BaseRoute] = [
    line_route(f"{_PATH}/upload", create, "create_audience", limit=_A_MINUTE),
    line_route(f"{_PATH}/upload", add, "add_to_audience", "PUT", _A_MINUTE),
    line_route(f"{_PATH}/list", listing, "list_audiences", "GET", _A_MINUTE),
    line_route(f"{_PATH}/{{audience_id:int}}", get, "get_audience", "GET", _A_MINUTE),
    line_route(f"{_PATH}/{{audience_id:int}}", delete, "delete_audience", "DELETE", _A_MINUTE),
]
