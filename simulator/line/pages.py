"""LINE's own pages in a user's browser: account linking (access.line.me), LIFF (liff.line.me) and its SDK, adding an
account (line.me)."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.acting.actions import follow
from simulator.webhooks.delivery import Delivery, Dispatcher
from simulator.webhooks.events import make_event, user_source
from simulator.world.account import Account
from simulator.world.people import Person
from simulator.world.world import World

_SDK = Path(__file__).parent.parent / "phone" / "liff-sdk.js"
_NONCE = re.compile(r".{10,255}", re.DOTALL)

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>
<style>body{{font:17px/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh;
background:#f4f1ea;color:#1f2d2e}}
main{{background:#fff;padding:28px 26px;border-radius:14px;max-width:22rem;margin:16px;
box-shadow:0 1px 2px #0002}}h1{{font-size:1.25rem;margin:0 0 .5rem}}p{{margin:.4rem 0}}
a{{color:#1f5a5f;display:block;padding:.45rem 0}}
button{{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:999px;background:#1f5a5f;color:#fff}}</style>
<main><h1>{title}</h1>{body}</main></html>"""


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=html.escape(title), body=body), status)


def opener(request: Request) -> Person | None:
    """Return who opened the page: `sim_user` of the query, else of the cookie that the phone page sets."""
    world: World = request.app.state.world
    user_id = request.query_params.get("sim_user") or request.cookies.get("sim_user") or ""
    return world.people.get(user_id)


def _who(request: Request, account: Account) -> Response:
    """Ask who opens the page, where the browser is nobody's yet."""
    world: World = request.app.state.world
    base = [(name, value) for name, value in request.query_params.multi_items() if name != "sim_user"]
    links = []
    for person, _ in zip(world.people, range(20), strict=False):
        target = f"{request.url.path}?{urlencode([*base, ('sim_user', person.user_id)])}"
        links.append(f'<a href="{html.escape(target)}">{html.escape(person.name)}</a>')
    listed = "".join(links) or "<p>There are no people yet. Make one on the phone page.</p>"
    return _page("Who is opening this?", f"<p>{html.escape(account.name)} asks LINE who you are.</p>{listed}")


async def account_link(request: Request) -> Response:
    """LINE: the right user ends in `accountLink` ok, another one in failed; a bad link token in no event at all."""
    world: World = request.app.state.world
    token, nonce = request.query_params.get("linkToken", ""), request.query_params.get("nonce", "")
    if not _NONCE.fullmatch(nonce):
        return _page("This link cannot be used", "<p>The nonce must have 10 to 255 characters.</p>", 400)
    known = world.link_tokens.spend(token)
    if known is None:
        return _page("This link cannot be used", "<p>It has expired or was used before. Ask for a new one.</p>", 400)
    account, person = world.accounts[known[0]], opener(request)
    linked = person is not None and person.user_id == known[1]
    payload = {"result": "ok" if linked else "failed", "nonce": nonce}
    source = user_source(known[1]) if linked else None
    event = make_event(world, account, "accountLink", payload, source=source, answerable=linked)
    dispatcher: Dispatcher = request.app.state.dispatcher
    await dispatcher.submit(Delivery(account, [event]))
    if linked:
        return _page("Accounts linked", f"<p>You can go back to {html.escape(account.name)}.</p>")
    return _page("Accounts not linked", "<p>This link was made for somebody else.</p>", 403)


def login_of(world: World, account: Account, person: Person) -> dict[str, Any]:
    """Return what a LIFF app gets when a user opens it: ID token, access token, profile."""
    claims = {"name": person.name} | ({"picture": person.picture_url} if person.picture_url else {})
    return {
        "id_token": world.login.id_token(account.login_channel_id, person.user_id, claims),
        "access_token": world.login.access_token(account.login_channel_id, person.user_id),
        "client_id": account.login_channel_id,
        "profile": person.profile(),
    }


async def liff(request: Request) -> Response:
    """Open a LIFF app: its endpoint URL with the same path and query, the login in the fragment, as LINE does."""
    world: World = request.app.state.world
    account = world.by_liff(request.path_params["liff_id"])
    if account is None:
        return _page("Not found", "<p>No such LIFF app.</p>", 404)
    person = opener(request)
    if person is None:
        return _who(request, account)
    login = login_of(world, account, person)
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "sim_user"]
    parts = urlsplit(account.liff_endpoint)
    path = parts.path.rstrip("/") + ("/" + request.path_params["rest"] if request.path_params.get("rest") else "")
    query = "&".join(piece for piece in (parts.query, urlencode(kept)) if piece)
    fragment = urlencode({name: login[name] for name in ("access_token", "id_token", "client_id")})
    target = urlunsplit((parts.scheme, parts.netloc, path or "/", query, fragment))
    return RedirectResponse(target, 302, {"cache-control": "no-store"})


async def add_friend(request: Request) -> Response:
    """LINE's add-friend screen (line.me/R/ti/p/{basic or premium id}): a tap adds the account and sends the follow."""
    world: World = request.app.state.world
    account = world.by_public_id(request.path_params["public_id"])
    if account is None:
        return _page("Not found", "<p>No account has this id.</p>", 404)
    person = opener(request)
    if person is None:
        return _who(request, account)
    if request.method == "POST":
        events = follow(world, account, person, {})
        dispatcher: Dispatcher = request.app.state.dispatcher
        if events:
            await dispatcher.submit(Delivery(account, events))
    if account.friendship(person.user_id).is_friend:
        return _page(account.name, f"<p>{html.escape(account.name)} is a friend.</p>")
    target = f"?{urlencode({'sim_user': person.user_id})}"
    return _page(account.name, f'<form method="post" action="{target}"><button>Add friend</button></form>')


async def sdk(request: Request) -> Response:
    """Serve the stand-in of the LIFF SDK."""
    return Response(_SDK.read_bytes(), media_type="text/javascript", headers={"cache-control": "no-cache"})


ROUTES: list[BaseRoute] = [
    Route("/dialog/bot/accountLink", account_link),
    Route("/R/ti/p/{public_id}", add_friend, methods=["GET", "POST"]),
    Route("/liff-sdk.js", sdk),
    Route("/liff/{liff_id}", liff),
    Route("/liff/{liff_id}/{rest:path}", liff),
]
