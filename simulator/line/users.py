"""Profiles, followers, groups and rooms, link tokens, chat helpers (REF "Users", "Group chats", "Account link")."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.routing import BaseRoute

from simulator.line.calls import Answer, Call, Limit, line_route
from simulator.line.errors import LineError, bad_parameter, body_errors, not_found
from simulator.line.sending import USER_ID
from simulator.world.chats import Friendship, Group
from simulator.world.people import Person
from simulator.world.world import news

_CHAT_IDS = {"group": re.compile(r"C[0-9a-f]{32}"), "room": re.compile(r"R[0-9a-f]{32}")}
_BAD_CHAT = "Only user id is acceptable, please confirm if there are any group/room ids or illegal ids."


def known_user(call: Call) -> tuple[Person | None, Friendship | None]:
    """Return the person and friendship of the path's user id.

    Raises:
        LineError: 400 for an id of the wrong form.
    """
    user_id = call.path["user_id"]
    if not USER_ID.fullmatch(user_id):
        raise bad_parameter("userId")
    return call.world.people.get(user_id), call.account.friends.get(user_id)


def profile(call: Call) -> Answer:
    """LINE: 404 for blockers, for strangers who never wrote, and for ids that do not exist."""
    person, friendship = known_user(call)
    if person is None or friendship is None or friendship.blocked:
        raise not_found()
    if not friendship.added and friendship.last_wrote_at is None:
        raise not_found()
    return Answer(person.profile())


def followers(call: Call) -> Answer:
    """LINE: verified or premium accounts only; pages of up to 1,000; the token lives 24 hours."""
    account = call.account
    if not account.is_premium:
        raise LineError(403, "Access to this API is not available for your account")
    limit = _limit(call.query("limit"), 300, 1000)
    start = call.query("start")
    if start is None:
        ids, at = list(account.reach), 0
    elif start in account.follower_pages:
        ids, at = account.follower_pages[start]
    else:
        raise LineError(400, "Invalid start param")
    page: dict[str, Any] = {"userIds": ids[at : at + limit]}
    if at + limit < len(ids):
        page["next"] = secrets.token_urlsafe(16)
        account.follower_pages[page["next"]] = (ids, at + limit)
        if len(account.follower_pages) > 5000:
            del account.follower_pages[next(iter(account.follower_pages))]
    return Answer(page)


def _limit(text: str | None, usual: int, most: int) -> int:
    if text is None:
        return usual
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise bad_parameter("limit")
    return int(text)


def link_token(call: Call) -> Answer:
    """LINE: ten minutes, one use."""
    person, _ = known_user(call)
    if person is None:
        raise not_found()
    return Answer({"linkToken": call.world.link_tokens.issue(call.account.slug, person.user_id)})


def loading(call: Call) -> Answer:
    """LINE: 5 to 60 seconds in steps of five; one-on-one chats only; answers 202."""
    body = call.json()
    chat_id = body.get("chatId")
    if not isinstance(chat_id, str) or not USER_ID.fullmatch(chat_id):
        raise body_errors((_BAD_CHAT, "chatId"))
    seconds = body.get("loadingSeconds", 20)
    problems = []
    if not isinstance(seconds, int) or not 5 <= seconds <= 60:
        problems.append(("Must be between 5 and 60", "loadingSeconds"))
    if isinstance(seconds, int) and seconds % 5:
        problems.append(("must be a multiple of five", "loadingSeconds"))
    if problems:
        raise body_errors(*problems)
    call.world.feed.tell(call.account.slug, chat_id, news("loading", seconds=seconds))
    return Answer(status=202)


def mark_as_read(call: Call) -> Answer:
    """Answer a mark-as-read; the stand-in checks only that a token is there."""
    if not call.json().get("markAsReadToken"):
        raise body_errors(("May not be empty", "markAsReadToken"))
    return Answer()


def known_group(call: Call) -> Group:
    """Return the path's group or room, which the account must be in."""
    chat_id, kind = call.path["group_id"], call.request.url.path.split("/")[3]
    if not _CHAT_IDS[kind].fullmatch(chat_id):
        raise bad_parameter(f"{kind}Id")
    group = call.account.groups.get(chat_id)
    if group is None or not group.bot_in:
        raise not_found()
    return group


def group_summary(call: Call) -> Answer:
    """Return a group's name and id."""
    group = known_group(call)
    return Answer({"groupId": group.group_id, "groupName": group.name})


def member_count(call: Call) -> Answer:
    """Return how many people are in a group or room, the account not counted."""
    return Answer({"count": len(known_group(call).members)})


def member_ids(call: Call) -> Answer:
    """LINE: verified or premium accounts only."""
    if not call.account.is_premium:
        raise LineError(403, "Access to this API is not available for your account")
    return Answer({"memberIds": list(known_group(call).members)})


def member_profile(call: Call) -> Answer:
    """Return the profile of somebody in the chat, friend or not."""
    group = known_group(call)
    person, _ = known_user(call)
    if person is None or person.user_id not in group.members:
        raise not_found()
    shown = person.profile()
    return Answer({key: shown[key] for key in ("displayName", "userId", "pictureUrl") if key in shown})


def leave(call: Call) -> Answer:
    """Take the account out of a group or room."""
    group = known_group(call)
    group.bot_in = False
    return Answer()


_CHAT_ROUTES = (
    ("members/count", member_count, "member_count", "GET"),
    ("members/ids", member_ids, "member_ids", "GET"),
    ("member/{user_id}", member_profile, "member_profile", "GET"),
    ("leave", leave, "leave", "POST"),
)

ROUTES: list[BaseRoute] = [
    line_route("/v2/bot/profile/{user_id}", profile, "profile", "GET"),
    line_route("/v2/bot/followers/ids", followers, "followers", "GET"),
    line_route("/v2/bot/user/{user_id}/linkToken", link_token, "link_token"),
    line_route("/v2/bot/chat/loading/start", loading, "loading", limit=Limit(100)),
    line_route("/v2/bot/chat/markAsRead", mark_as_read, "mark_as_read"),
    line_route("/v2/bot/group/{group_id}/summary", group_summary, "group_summary", "GET"),
    *(
        line_route(f"/v2/bot/{kind}/{{group_id}}/{path}", handler, api, method)
        for kind in ("group", "room")
        for path, handler, api, method in _CHAT_ROUTES
    ),
]
