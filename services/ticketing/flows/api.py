"""Routes for staff who write guided flows (feature F94): publish a version; who is in an older one finishes it."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ValidationError

from services.ticketing.flows.definition import Name, Script, Unsound
from services.ticketing.flows.store import Catalogue, FlowBook, FlowStore, next_version
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.preconditions import check_version, etag, if_match
from shared.problems import Problem

MOST_BYTES = 256 * 1024
MOST_FLOWS = 50
_STEPS = "steps"
_BODY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Script"}}}, "required": True}


class FlowRow(BaseModel):
    """A flow in a list. `built_in`: it comes with the service, and the account has not replaced it."""

    name: str
    version: int
    built_in: bool
    published_at: datetime | None
    published_by: str | None
    languages: list[str]
    start_words: list[str]


class FlowPage(BaseModel):
    """An account's flows, all of them."""

    items: list[FlowRow]
    next_cursor: str | None = None


class FlowView(BaseModel):
    """A flow in one version, with everything it says and asks."""

    name: str
    version: int
    built_in: bool
    published_at: datetime | None
    published_by: str | None
    script: Script


def _about(catalogue: Catalogue, name: str) -> dict[str, Any]:
    published = catalogue.published[name]
    return {
        "name": name,
        "version": published.version,
        "built_in": published.at is None,
        "published_at": published.at,
        "published_by": published.by,
    }


def _row(catalogue: Catalogue, name: str) -> FlowRow:
    flow = catalogue.newest[name]
    return FlowRow(languages=list(flow.languages), start_words=list(flow.start_words), **_about(catalogue, name))


def _view(catalogue: Catalogue, name: str, response: Response) -> FlowView:
    flow = catalogue.named(name)
    if flow is None:
        raise Problem("not-found", "no such flow")
    response.headers["etag"] = etag(flow.version)
    script = Script.model_validate(flow.model_dump(exclude={"name", "version"}))
    return FlowView(script=script, **_about(catalogue, name))


def flow_routes(
    store: FlowStore, book: FlowBook, channels: Channels, audit: Audit, keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes of `/v1/flows`."""
    router = APIRouter(prefix="/v1/flows/{channel}", tags=["flows"])
    reader = Annotated[Principal, Depends(allowed(keys, "conversations.read"))]
    writer = Annotated[Principal, Depends(allowed(keys, "desk.configure"))]

    def visible(channel: str, principal: Principal) -> None:
        if not principal.sees(channel) or channels.get(channel) is None:
            raise Problem("not-found", "no such channel")

    @router.get("")
    async def list_flows(channel: str, principal: reader) -> FlowPage:
        """List an account's flows by name, each in its newest version."""
        visible(channel, principal)
        catalogue = await book.of(channel, fresh=True)
        return FlowPage(items=[_row(catalogue, name) for name in sorted(catalogue.newest)])

    @router.get("/{name}")
    async def get_flow(channel: str, name: Name, principal: reader, response: Response) -> FlowView:
        """Show a flow's newest version; the ETag is its version."""
        visible(channel, principal)
        return _view(await book.of(channel, fresh=True), name, response)

    @router.put("/{name}", openapi_extra={"requestBody": _BODY})
    async def put_flow(channel: str, name: Name, request: Request, principal: writer, response: Response) -> FlowView:
        """Publish a version; people in an older one finish in it. Needs `If-Match`, but not for a new flow."""
        visible(channel, principal)
        catalogue = await book.of(channel, fresh=True)
        current = catalogue.named(name)
        if current is not None:
            check_version(if_match(request), current.version)
        elif len(catalogue.newest) >= MOST_FLOWS:
            raise Problem("conflict", f"an account has at most {MOST_FLOWS} flows")
        definition = next_version(catalogue, name, read_script(await _body(request)))
        await audit.note(principal.id, "desk.configure", f"{channel}/flows/{name}")
        if not await store.publish(channel, definition, f"key:{principal.id}", now()):
            raise Problem("precondition-failed", "someone published a version since: read it again")
        return _view(await book.of(channel, fresh=True), name, response)

    return router


async def _body(request: Request) -> bytes:
    too_large = Problem("too-large", f"a flow has at most {MOST_BYTES // 1024} KiB of JSON")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise too_large
    return body


def read_script(body: bytes) -> Script:
    """Read a script from JSON.

    Raises:
        Problem: 400 where it is no JSON; 422 with a JSON pointer into it for everything that is wrong.
    """
    try:
        return Script.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError:
        raise Problem("bad-request", "the body is no valid JSON") from None
    except ValidationError as error:
        raise Problem("invalid", errors=[each for problem in error.errors() for each in _told(problem)]) from None


def _told(problem: Any) -> list[dict[str, str]]:
    wrong = problem.get("ctx", {}).get("error")
    if isinstance(wrong, Unsound):
        return [{"pointer": each.pointer, "detail": each.detail} for each in wrong.problems]
    return [{"pointer": _pointer(problem["loc"]), "detail": problem["msg"]}]


def _pointer(loc: tuple[int | str, ...]) -> str:
    """Return where a problem is; pydantic names a step's kind after its number, which the document does not."""
    told_kind = len(loc) > 2 and loc[0] == _STEPS and isinstance(loc[1], int)
    path = (*loc[:2], *loc[3:]) if told_kind else loc
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path if part != "[key]")
