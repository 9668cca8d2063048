"""Control: people, and what they do one by one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import BaseRoute

from simulator.acting.actions import ACTIONS
from simulator.control.http import (
    Problem,
    account_of,
    control_route,
    dispatcher_of,
    json_of,
    model_of,
    number_of,
    person_of,
    world_of,
)
from simulator.webhooks.delivery import Delivery
from simulator.webhooks.events import Event
from simulator.world.account import shown_user


class NewUsers(BaseModel):
    """People to make: `count` of a seed from number `start`, or one with a name."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=1, ge=1, le=200_000)
    seed: str | None = None
    start: int | None = Field(default=None, ge=0)
    name: str | None = Field(default=None, min_length=1, max_length=50)
    user_id: str | None = Field(default=None, pattern="^U[0-9a-f]{32}$")
    language: str | None = "zh-TW"


async def accounts(request: Request) -> Any:
    """List the accounts."""
    return {"items": [account.shown() for account in world_of(request).accounts.values()]}


async def make_users(request: Request) -> Any:
    """Make people; the same seed and start give the same people again."""
    asked = await model_of(request, NewUsers)
    people = world_of(request).people
    if asked.name is not None:
        made = [people.add(asked.name, asked.user_id, asked.language)]
    else:
        made = people.grow(asked.count, asked.seed, asked.start)
    ids = [person.user_id for person in made]
    first = [person.profile() for person in made[:50]]
    return {"count": len(made), "user_ids": ids, "items": first}


async def list_users(request: Request) -> Any:
    """List people in the order they were made; with `channel` also how they stand to that account."""
    world = world_of(request)
    limit, cursor = number_of(request, "limit", 50, 1000), number_of(request, "cursor", 0, 10**9)
    slug = request.query_params.get("channel")
    account = account_of(request, slug) if slug else None
    needle = request.query_params.get("q", "")
    everybody = list(world.people)
    if needle:
        everybody = [person for person in everybody if needle in person.name or person.user_id.startswith(needle)]
    page = everybody[cursor : cursor + limit]
    items = [shown_user(account, person) if account else person.profile() for person in page]
    after = cursor + limit
    return {"items": items, "total": len(everybody), "next_cursor": after if after < len(everybody) else None}


async def show_user(request: Request) -> Any:
    """Show a user as one account's tester sees it: state, rich menu, chat."""
    account, person = account_of(request), person_of(request)
    friendship = account.friends.get(person.user_id)
    chat = friendship.chat.newest() if friendship else []
    return {**shown_user(account, person), "chat": chat}


async def change_user(request: Request) -> Any:
    """Change name, language, picture_url or status_message of a person."""
    person = person_of(request)
    for key, value in (await json_of(request)).items():
        if key not in ("name", "language", "picture_url", "status_message"):
            raise Problem(422, "only name, language, picture_url and status_message can be changed")
        setattr(person, key, value)
    return person.profile()


async def send_events(request: Request, account_slug: str, events: list[Event]) -> dict[str, Any]:
    """Hand the events of one action to the dispatcher; return what the actor may want to know."""
    if events:
        account = world_of(request).accounts[account_slug]
        await dispatcher_of(request).submit(Delivery(account, events))
    return {
        "events": [{"type": event["type"], "webhook_event_id": event["webhookEventId"]} for event in events],
        "message_id": next((event["message"]["id"] for event in events if "message" in event), None),
    }


async def act(request: Request) -> Any:
    """Let a user do something; see README for the actions and their parameters."""
    account, person = account_of(request), person_of(request)
    name = request.path_params["action"]
    action = ACTIONS.get(name)
    if action is None:
        raise Problem(404, f"no action {name!r}; there are {', '.join(sorted(ACTIONS))}, open, id_token")
    world = world_of(request)
    params = await json_of(request)
    result = await send_events(request, account.slug, action(world, account, person, params))
    return {**result, "state": account.friendship(person.user_id).state}


ROUTES: list[BaseRoute] = [
    control_route("/accounts", accounts, "GET"),
    control_route("/users", make_users, "POST"),
    control_route("/users", list_users, "GET"),
    control_route("/users/{slug}/{user_id}", show_user, "GET"),
    control_route("/users/{user_id}", change_user, "PATCH"),
    control_route("/{slug}/users/{user_id}/{action}", act, "POST"),
]
