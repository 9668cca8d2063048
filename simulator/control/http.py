"""How the control API reads requests and answers: JSON in, JSON or a problem out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.acting.actions import BadAction
from simulator.webhooks.delivery import Dispatcher
from simulator.world.account import Account
from simulator.world.people import Person
from simulator.world.world import World

ModelT = TypeVar("ModelT", bound=BaseModel)


class Problem(Exception):
    """A control request that cannot be done (RFC 9457)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def world_of(request: Request) -> World:
    """Return the world."""
    world: World = request.app.state.world
    return world


def dispatcher_of(request: Request) -> Dispatcher:
    """Return the webhook dispatcher."""
    dispatcher: Dispatcher = request.app.state.dispatcher
    return dispatcher


def account_of(request: Request, slug: str | None = None) -> Account:
    """Return the account named in the path (or given).

    Raises:
        Problem: 404.
    """
    wanted = slug or request.path_params["slug"]
    account = world_of(request).accounts.get(wanted)
    if account is None:
        raise Problem(404, f"no account has the slug {wanted!r}; there are {', '.join(world_of(request).accounts)}")
    return account


def person_of(request: Request, user_id: str | None = None) -> Person:
    """Return the person named in the path (or given).

    Raises:
        Problem: 404.
    """
    person = world_of(request).people.get(user_id or request.path_params["user_id"])
    if person is None:
        raise Problem(404, "no such user; make users by POST /control/users")
    return person


async def json_of(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty object."""
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body must be a JSON object")
    return body


async def model_of(request: Request, kind: type[ModelT]) -> ModelT:
    """Return the body as a model."""
    try:
        return kind.model_validate(await json_of(request))
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        )
        raise Problem(422, "; ".join(problems)) from None


def number_of(request: Request, name: str, usual: int, most: int) -> int:
    """Return a whole number of the query, at least 0, at most `most`."""
    text = request.query_params.get(name)
    if text is None:
        return usual
    if not text.isdigit():
        raise Problem(400, f"`{name}` must be a whole number")
    return min(int(text), most)


Endpoint = Callable[[Request], Awaitable[Any]]


def control_route(path: str, endpoint: Endpoint, *methods: str) -> Route:
    """Make a control route; `BadAction` answers 409, `Problem` its own status."""

    async def answer(request: Request) -> Response:
        try:
            result = await endpoint(request)
        except Problem as problem:
            return problem_response(problem.status, problem.detail)
        except BadAction as error:
            return problem_response(409, str(error))
        return result if isinstance(result, Response) else Response(orjson.dumps(result), media_type="application/json")

    return Route(f"/control{path}", answer, methods=list(methods))


def problem_response(status: int, detail: str) -> Response:
    """Return a problem document."""
    body = {"type": "about:blank", "title": "The request cannot be done", "status": status, "detail": detail}
    return Response(orjson.dumps(body), status, media_type="application/problem+json")
