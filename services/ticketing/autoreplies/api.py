"""Routes for admins: the account's automatic answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.ticketing.autoreplies.model import Rule
from services.ticketing.autoreplies.store import Changed, RuleBook, RuleStore
from services.ticketing.autoreplies.views import RuleBody, RulePage, RuleView, rule_of, rule_view
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now
from shared.line.messages import check_messages
from shared.preconditions import Expected, check_version, etag, if_match
from shared.problems import Problem

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


def _refuse(changed: Changed, expected: int | None) -> Problem:
    if changed.version is None and expected is not None:
        return Problem("precondition-failed", "the rule has been deleted since")
    if expected is None:
        return Problem("precondition-required", "there is such a rule: send the ETag you read as If-Match")
    return Problem("precondition-failed", "someone changed it since: read it again")


def rule_routes(
    store: RuleStore, book: RuleBook, channels: Channels, audit: Audit, keys: AdminKeys, now: Now
) -> APIRouter:
    """Return the routes of `/v1/auto-replies`."""
    router = APIRouter(prefix="/v1/auto-replies/{channel}", tags=["auto-replies"])
    admin = Annotated[Principal, Depends(allowed(keys, "desk.configure"))]

    def check(channel: str, principal: Principal) -> None:
        if not principal.sees(channel) or channels.get(channel) is None:
            raise Problem("not-found", "no such channel")

    async def existing(channel: str, name: str) -> Rule:
        rule = await store.get(channel, name)
        if rule is None:
            raise Problem("not-found", "no such rule")
        return rule

    @router.get("")
    async def list_rules(channel: str, principal: admin, cursor: str | None = None, limit: Limit = 50) -> RulePage:
        """List an account's rules by name."""
        check(channel, principal)
        after = decode_cursor(cursor, 1)
        found = await store.page(channel, str(after[0]) if after else None, limit + 1)
        more = encode_cursor([found[limit - 1].name]) if len(found) > limit else None
        return RulePage(items=[rule_view(rule) for rule in found[:limit]], next_cursor=more)

    @router.get("/{name}")
    async def get_rule(channel: str, name: Name, principal: admin, response: Response) -> RuleView:
        """Show a rule; the ETag is its version."""
        check(channel, principal)
        rule = await existing(channel, name)
        response.headers["etag"] = etag(rule.version)
        return rule_view(rule)

    @router.put("/{name}")
    async def put_rule(
        channel: str, name: Name, body: RuleBody, principal: admin, request: Request, response: Response
    ) -> RuleView:
        """Write a rule, whole. A new one needs no If-Match, a change does. It answers everywhere within two seconds."""
        check(channel, principal)
        expected = if_match(request) if "if-match" in request.headers else None
        problems = check_messages(body.messages, pointer="/messages") if body.messages is not None else []
        if problems:
            raise Problem("invalid", errors=[{"pointer": each.pointer, "detail": each.detail} for each in problems])
        await audit.note(principal.id, "desk.configure", f"auto-replies {channel}/{name}")
        try:
            rule = await store.save(rule_of(body, channel, name, expected or 0, now(), principal.id))
        except Changed as changed:
            raise _refuse(changed, expected) from None
        book.forget(channel)
        response.headers["etag"] = etag(rule.version)
        return rule_view(rule)

    @router.delete("/{name}", status_code=204)
    async def delete_rule(channel: str, name: Name, expected: Expected, principal: admin) -> None:
        """Delete a rule."""
        check(channel, principal)
        check_version(expected, (await existing(channel, name)).version)
        await audit.note(principal.id, "desk.configure", f"auto-replies {channel}/{name}")
        try:
            await store.delete(channel, name, expected)
        except Changed as changed:
            raise _refuse(changed, expected) from None
        book.forget(channel)

    return router
