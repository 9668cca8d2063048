"""Control: the accept log, faults, limits, quota, tokens, reset."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import BaseRoute

from simulator.control.http import (
    Problem,
    account_of,
    control_route,
    dispatcher_of,
    model_of,
    number_of,
    world_of,
)
from simulator.world.faults import FaultRule, WebhookTrouble
from simulator.world.limits import shown_quota


async def accepts(request: Request) -> Any:
    """List accepted calls after number `since`, narrowed by `user`, `api`, `channel`; at most `limit` (1,000)."""
    log = world_of(request).accepts
    limit = number_of(request, "limit", 1000, 10_000)
    user, api, slug = (request.query_params.get(name) for name in ("user", "api", "channel"))
    items: list[dict[str, Any]] = []
    last = number_of(request, "since", 0, 10**15)
    for entry in log.since(last):
        if len(items) == limit:
            break
        last = entry.seq
        if api not in (None, entry.api) or slug not in (None, entry.channel):
            continue
        if user is None or user in entry.to or user in entry.delivered_to:
            items.append(entry.shown())
    return {"items": items, "next_since": last, "last_seq": log.last_seq, "dropped": log.dropped}


async def summary(request: Request) -> Any:
    """Count accepted calls per API and tell what was accepted twice."""
    return world_of(request).accepts.summary()


async def repeats(request: Request) -> Any:
    """List equal content that reached the same user more than once by the same API."""
    return {"items": world_of(request).accepts.repeats(request.query_params.get("channel"))}


async def add_fault(request: Request) -> Any:
    """Put a fault in force."""
    rule = await model_of(request, FaultRule)
    if rule.channel is not None:
        account_of(request, rule.channel)
    return world_of(request).faults.add(rule).shown()


async def list_faults(request: Request) -> Any:
    """List the faults in force and the webhooks' trouble."""
    faults = world_of(request).faults
    return {"items": [fault.shown() for fault in faults.rules], "webhooks": faults.webhooks.model_dump()}


async def clear_faults(request: Request) -> Any:
    """Take every fault and webhook trouble away."""
    world_of(request).faults.clear()
    return {"items": []}


async def remove_fault(request: Request) -> Any:
    """Take one fault away."""
    if not world_of(request).faults.remove(request.path_params["fault_id"]):
        raise Problem(404, "no fault with that id is in force")
    return await list_faults(request)


async def webhook_trouble(request: Request) -> Any:
    """Set what happens to webhooks on their way: duplicate_every, shuffle_window, delay_ms."""
    trouble = await model_of(request, WebhookTrouble)
    world_of(request).faults.webhooks = trouble
    return trouble.model_dump()


class Limits(BaseModel):
    """The factor on LINE's rate limits; 0 switches them off."""

    model_config = ConfigDict(extra="forbid")

    factor: Annotated[float, Field(ge=0, le=1_000_000)]


async def set_limits(request: Request) -> Any:
    """Scale or switch off the rate limits; every bucket starts full."""
    world = world_of(request)
    world.rate_factor = (await model_of(request, Limits)).factor
    for account in world.accounts.values():
        account.limits.clear()
    return {"factor": world.rate_factor}


class QuotaSetting(BaseModel):
    """The month's quota of an account."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["none", "limited"]
    value: Annotated[int, Field(ge=0)] = 0
    used: Annotated[int, Field(ge=0)] | None = None


async def set_quota(request: Request) -> Any:
    """Set an account's quota and, where given, what is used of it."""
    account, asked = account_of(request), await model_of(request, QuotaSetting)
    account.quota.limit = asked.value if asked.type == "limited" else None
    if asked.used is not None:
        account.quota.used = asked.used
    return {**shown_quota(account.quota), "used": account.quota.used}


async def revoke_token(request: Request) -> Any:
    """Make the account's long-lived channel access token invalid, as a reissue in the console does."""
    account, world = account_of(request), world_of(request)
    world.access.revoke(account.static_token)
    return {"revoked": True}


async def restore_token(request: Request) -> Any:
    """Make the account's long-lived channel access token valid again."""
    account, world = account_of(request), world_of(request)
    world.access.restore(account.slug)
    return {"revoked": False}


async def reset(request: Request) -> Any:
    """Forget people, chats, counts, faults, the accept log and waiting webhooks; accounts and endpoints stay."""
    world, dispatcher = world_of(request), dispatcher_of(request)
    dispatcher.abandon_all()
    dispatcher.clear_counts()
    world.reset()
    return {"reset": True}


ROUTES: list[BaseRoute] = [
    control_route("/accepts", accepts, "GET"),
    control_route("/accepts/summary", summary, "GET"),
    control_route("/accepts/repeats", repeats, "GET"),
    control_route("/faults", list_faults, "GET"),
    control_route("/faults", add_fault, "POST"),
    control_route("/faults", clear_faults, "DELETE"),
    control_route("/faults/webhooks", webhook_trouble, "PUT"),
    control_route("/faults/{fault_id:int}", remove_fault, "DELETE"),
    control_route("/limits", set_limits, "PUT"),
    control_route("/reset", reset, "POST"),
    control_route("/{slug}/quota", set_quota, "PUT"),
    control_route("/{slug}/token/revoke", revoke_token, "POST"),
    control_route("/{slug}/token/restore", restore_token, "POST"),
]
