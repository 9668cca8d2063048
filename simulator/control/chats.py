"""Control: groups, browsers, and what the phone page needs: live news, pictures, content."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute

from simulator.acting.browser import Browser
from simulator.acting.groups import GROUP_ACTIONS, make_group
from simulator.control.http import (
    Problem,
    account_of,
    control_route,
    json_of,
    model_of,
    person_of,
    world_of,
)
from simulator.control.users import send_events
from simulator.line.pages import login_of
from simulator.world.chats import Group

_HEARTBEAT_SECONDS = 15


def _shown(group: Group) -> dict[str, Any]:
    return {
        "group_id": group.group_id,
        "kind": group.kind,
        "name": group.name,
        "members": list(group.members),
        "bot_in": group.bot_in,
    }


async def groups(request: Request) -> Any:
    """List an account's groups and multi-person chats."""
    return {"items": [_shown(group) for group in account_of(request).groups.values()]}


async def new_group(request: Request) -> Any:
    """Make a group or multi-person chat; with `join` the account joins at once."""
    account, params = account_of(request), await json_of(request)
    group = make_group(account, params)
    events = GROUP_ACTIONS["join"](world_of(request), account, group, {}) if params.get("join") else []
    return {**_shown(group), **await send_events(request, account.slug, events)}


def _group(request: Request) -> Group:
    group = account_of(request).groups.get(request.path_params["group_id"])
    if group is None:
        raise Problem(404, "no such group; make one by POST /control/{slug}/groups")
    return group


async def show_group(request: Request) -> Any:
    """Show a group and its chat."""
    group = _group(request)
    return {**_shown(group), "chat": group.chat.newest()}


async def act_in_group(request: Request) -> Any:
    """Let something happen in a group."""
    account, group = account_of(request), _group(request)
    action = GROUP_ACTIONS.get(request.path_params["action"])
    if action is None:
        raise Problem(404, f"in groups there are {', '.join(sorted(GROUP_ACTIONS))}")
    events = action(world_of(request), account, group, await json_of(request))
    return {**_shown(group), **await send_events(request, account.slug, events)}


class Visit(BaseModel):
    """A page to open as the user's browser would."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    url: str
    method: str = Field(default="GET", pattern="^(GET|POST)$")
    form: dict[str, str] | None = None
    body: dict[str, Any] | None = Field(default=None, alias="json")


async def open_page(request: Request) -> Any:
    """Open a link as the user: redirects are followed, LINE's own pages know the user."""
    account_of(request)
    person, asked = person_of(request), await model_of(request, Visit)
    browser: Browser = request.app.state.browser
    body: dict[str, Any] = {}
    if asked.form is not None:
        body["data"] = asked.form
    if asked.body is not None:
        body["json"] = asked.body
    return await browser.open(person.user_id, asked.url, asked.method, **body)


async def id_token(request: Request) -> Any:
    """Return what a LIFF app would get from this user; `claims` override the ID token's."""
    account, person, world = account_of(request), person_of(request), world_of(request)
    login = login_of(world, account, person)
    claims = (await json_of(request)).get("claims")
    if claims:
        login["id_token"] = world.login.id_token(account.login_channel_id, person.user_id, claims)
    return login


async def seen(request: Request) -> Any:
    """Count the chat's messages as seen by the user (LINE's impressions)."""
    account, person = account_of(request), person_of(request)
    for line in account.friendship(person.user_id).chat.lines:
        if line.request_id in account.sendings:
            account.seen.setdefault(line.request_id or "", set()).add(person.user_id)
    return {}


async def content(request: Request) -> Response:
    """Return what a user sent, for the phone page."""
    found = world_of(request).content.find(request.path_params["message_id"])
    if found is None or found.unsent:
        raise Problem(404, "there is no such content, or it was taken back")
    headers = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
    return Response(found.data, media_type=found.media_type, headers=headers)


async def menu(request: Request) -> Any:
    """Return a rich menu object."""
    found = account_of(request).menus.by_id.get(request.path_params["menu_id"])
    if found is None:
        raise Problem(404, "no such rich menu")
    return found.shown()


async def menu_image(request: Request) -> Response:
    """Return a rich menu's picture."""
    found = account_of(request).menus.by_id.get(request.path_params["menu_id"])
    if found is None or found.image is None:
        raise Problem(404, "no such rich menu, or it has no picture")
    return Response(found.image, media_type=found.image_type)


async def stream(request: Request) -> Response:
    """Send a chat's news as server-sent events."""
    account, chat_id = account_of(request), request.path_params["chat_id"]
    feed = world_of(request).feed

    async def lines() -> AsyncIterator[bytes]:
        async with feed.watch(account.slug, chat_id) as queue:
            yield b": open\n\n"
            while True:
                try:
                    item = await asyncio.wait_for(queue.get(), _HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield b": still here\n\n"
                else:
                    yield b"data: " + orjson.dumps(item) + b"\n\n"

    return StreamingResponse(lines(), media_type="text/event-stream", headers={"cache-control": "no-store"})


ROUTES: list[BaseRoute] = [
    control_route("/content/{message_id}", content, "GET"),
    control_route("/{slug}/groups", groups, "GET"),
    control_route("/{slug}/groups", new_group, "POST"),
    control_route("/{slug}/groups/{group_id}", show_group, "GET"),
    control_route("/{slug}/groups/{group_id}/{action}", act_in_group, "POST"),
    control_route("/{slug}/users/{user_id}/open", open_page, "POST"),
    control_route("/{slug}/users/{user_id}/id_token", id_token, "POST"),
    control_route("/{slug}/users/{user_id}/seen", seen, "POST"),
    control_route("/{slug}/menus/{menu_id}", menu, "GET"),
    control_route("/{slug}/menus/{menu_id}/image", menu_image, "GET"),
    control_route("/{slug}/stream/{chat_id}", stream, "GET"),
]
