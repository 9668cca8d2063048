"""Control: many actions at once, raw events, and what became of the webhooks."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import BaseRoute

from simulator.acting.actions import ACTIONS, BadAction
from simulator.control.http import (
    Problem,
    account_of,
    control_route,
    dispatcher_of,
    json_of,
    model_of,
    world_of,
)
from simulator.webhooks.delivery import Delivery
from simulator.webhooks.events import Event, chat_of

_MOST_EVENTS_A_BODY = 100
_BREATHE_EVERY = 200


class Injection(BaseModel):
    """Events to sign and deliver exactly as given."""

    model_config = ConfigDict(extra="forbid")

    events: list[dict[str, Any]]
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many times the same body is sent."""
    parallel: bool = True
    """Send the copies at once, or one after another."""
    redelivery: bool = False
    """Mark the events as redelivered."""
    destination: str | None = None
    bad_signature: bool = False
    endpoint: str | None = None
    wait: bool = True
    """Answer after the deliveries with their statuses (no redelivery), or hand them to the dispatcher."""


async def inject(request: Request) -> Any:
    """Sign and deliver events as given; reply tokens in them become usable."""
    account, world, dispatcher = account_of(request), world_of(request), dispatcher_of(request)
    asked = await model_of(request, Injection)
    for event in asked.events:
        if asked.redelivery:
            event.setdefault("deliveryContext", {})["isRedelivery"] = True
        _adopt_token(request, account.slug, event)
    destination = asked.destination or account.destination
    body = orjson.dumps({"destination": destination, "events": asked.events})
    signature = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" if asked.bad_signature else None
    if not asked.wait:
        for _ in range(asked.copies):
            events = orjson.loads(orjson.dumps(asked.events))
            await dispatcher.submit(Delivery(account, events, destination=destination, signature=signature))
        return {"accepted": asked.copies, "pending": dispatcher.pending}
    if asked.parallel:
        posts = (dispatcher.post(account, body, signature, asked.endpoint) for _ in range(asked.copies))
        outcomes = await asyncio.gather(*posts)
    else:
        outcomes = [await dispatcher.post(account, body, signature, asked.endpoint) for _ in range(asked.copies)]
    return {"statuses": [status for status, _ in outcomes], "now": world.millis()}


def _adopt_token(request: Request, slug: str, event: Event) -> None:
    token, source = event.get("replyToken"), event.get("source")
    if isinstance(token, str) and isinstance(source, dict):
        world_of(request).reply_tokens.issue(slug, chat_of(source), str(event.get("webhookEventId")), token)


class Bulk(BaseModel):
    """Actions of many users, in order."""

    model_config = ConfigDict(extra="forbid")

    actions: list[dict[str, Any]]
    """Each `{"user": id, "do": action, …parameters}` or `{"users": [ids], "do": …}` or
    `{"seed": name, "start": 0, "count": 1000, "do": …}`."""
    events_per_webhook: Annotated[int, Field(ge=1, le=_MOST_EVENTS_A_BODY)] = 1
    tell_events: bool = False
    """Answer also with `items`: user, type and id of every event, in order."""


async def bulk(request: Request) -> Any:
    """Do many actions; answers when all were done and their webhooks queued, not delivered."""
    account, world, dispatcher = account_of(request), world_of(request), dispatcher_of(request)
    asked = await model_of(request, Bulk)
    accepted = refused = events = done = 0
    batch: list[Event] = []
    told: list[dict[str, str]] = []
    for params in asked.actions:
        action = ACTIONS.get(str(params.get("do")))
        if action is None:
            raise Problem(422, f"no action {params.get('do')!r}; {accepted} actions were done before it")
        for user_id in _users_of(request, params):
            person = world.people.get(user_id)
            try:
                made = action(world, account, person, params) if person else []
            except BadAction:
                made, person = [], None
            accepted, refused = accepted + (person is not None), refused + (person is None)
            batch += made
            events += len(made)
            if asked.tell_events:
                told += [_told(user_id, event) for event in made]
            while len(batch) >= asked.events_per_webhook:
                await dispatcher.submit(Delivery(account, batch[: asked.events_per_webhook]))
                batch = batch[asked.events_per_webhook :]
            done += 1
            if done % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)
    if batch:
        await dispatcher.submit(Delivery(account, batch))
    answer = {"accepted": accepted, "refused": refused, "events": events, "pending": dispatcher.pending}
    return answer | {"items": told} if asked.tell_events else answer


def _told(user_id: str, event: Event) -> dict[str, str]:
    return {"user": user_id, "type": event["type"], "webhook_event_id": event["webhookEventId"]}


def _users_of(request: Request, params: dict[str, Any]) -> list[str]:
    if "user" in params:
        return [str(params["user"])]
    if "users" in params:
        return [str(user_id) for user_id in params["users"]]
    if "count" in params:
        people = world_of(request).people
        made = people.grow(int(params["count"]), params.get("seed"), int(params.get("start", 0)))
        return [person.user_id for person in made]
    raise Problem(422, "an action needs `user`, `users`, or `count` with `seed` and `start`")


async def deliveries(request: Request) -> Any:
    """Show what became of the webhooks; `?wait=SECONDS` answers when none is pending, or after that time."""
    dispatcher = dispatcher_of(request)
    text = request.query_params.get("wait", "0")
    try:
        deadline = min(float(text), 300.0)
    except ValueError:
        raise Problem(400, "`wait` must be a number of seconds") from None
    await dispatcher.quiet(deadline)
    return dispatcher.statistics()


class Redelivery(BaseModel):
    """How webhooks without a 2xx are sent again."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True
    schedule: list[Annotated[float, Field(ge=0, le=3600)]] | None = None
    """Seconds before each redelivery; its length is the number of redeliveries."""


async def redelivery(request: Request) -> Any:
    """Set redelivery."""
    asked, dispatcher = await model_of(request, Redelivery), dispatcher_of(request)
    dispatcher.redelivery = asked.enabled
    if asked.schedule is not None:
        dispatcher.schedule = tuple(asked.schedule)
    return {"enabled": dispatcher.redelivery, "schedule": dispatcher.schedule}


async def abandon(request: Request) -> Any:
    """Give up every webhook that waits; they count as abandoned."""
    dispatcher_of(request).abandon_all()
    return dispatcher_of(request).statistics()


_CHANGEABLE: dict[str, type] = {
    "webhook_endpoint": str,
    "webhook_active": bool,
    "liff_endpoint": str,
    "is_premium": bool,
    "chat_mode": str,
}


async def account_settings(request: Request) -> Any:
    """Change an account: webhook_endpoint, webhook_active, liff_endpoint, is_premium, chat_mode."""
    account = account_of(request)
    for key, value in (await json_of(request)).items():
        if not isinstance(value, _CHANGEABLE.get(key, ())):
            allowed = ", ".join(f"{name} ({kind.__name__})" for name, kind in _CHANGEABLE.items())
            raise Problem(422, f"can be changed: {allowed}")
        setattr(account, key, value)
    return account.shown()


ROUTES: list[BaseRoute] = [
    control_route("/deliveries", deliveries, "GET"),
    control_route("/deliveries/redelivery", redelivery, "PUT"),
    control_route("/deliveries/abandon", abandon, "POST"),
    control_route("/{slug}/events", inject, "POST"),
    control_route("/{slug}/bulk", bulk, "POST"),
    control_route("/{slug}", account_settings, "PATCH"),
]
