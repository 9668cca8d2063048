"""Channel access tokens and LINE Login's verification (REF "Channel access token", LINE Login "Verify ID token")."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.line.calls import oauth_route
from simulator.line.errors import OAuthError
from simulator.world.access import ISSUED_SECONDS, MOST_ISSUED, STATELESS_SECONDS
from simulator.world.account import Account
from simulator.world.world import World

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def _world(request: Request) -> World:
    world: World = request.app.state.world
    return world


async def _form(request: Request) -> dict[str, str]:
    """Return the form. LINE: these bodies are form-encoded."""
    if not (request.headers.get("content-type") or "").startswith("application/x-www-form-urlencoded"):
        raise OAuthError("The content type must be application/x-www-form-urlencoded")
    pairs = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in pairs.items()}


def _client(world: World, form: dict[str, str]) -> Account:
    """Return the account of a channel id and secret, or of an assertion whose `iss` is the channel id.

    The stand-in does not check an assertion's signature: it has no public key of the channel.
    """
    client_id = form.get("client_id", "")
    if form.get("client_assertion_type") == _JWT_BEARER:
        client_id = _issuer(form.get("client_assertion", ""))
    account = next((each for each in world.accounts.values() if each.channel_id == client_id), None)
    if account is None:
        raise OAuthError("Invalid client_id", "invalid_client")
    if "client_secret" in form and form["client_secret"] != account.secret:
        raise OAuthError("Invalid client_secret", "invalid_client")
    if "client_secret" not in form and "client_assertion" not in form:
        raise OAuthError("client_secret or client_assertion is required")
    return account


def _issuer(assertion: str) -> str:
    try:
        payload = assertion.split(".")[1]
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (IndexError, KeyError, TypeError, ValueError):
        raise OAuthError("Invalid client_assertion", "invalid_client") from None


def _grant(form: dict[str, str]) -> None:
    if form.get("grant_type") != "client_credentials":
        raise OAuthError("The grant_type must be client_credentials", "unsupported_grant_type")


async def stateless(request: Request) -> dict[str, Any]:
    """LINE: 15 minutes, any number."""
    form = await _form(request)
    _grant(form)
    token, _ = _world(request).access.issue(_client(_world(request), form).slug, "stateless", STATELESS_SECONDS)
    return {"token_type": "Bearer", "access_token": token, "expires_in": STATELESS_SECONDS}


async def with_key(request: Request) -> dict[str, Any]:
    """LINE: v2.1 tokens, up to 30 days, at most 30; a 31st is refused."""
    form = await _form(request)
    _grant(form)
    account, access = _client(_world(request), form), _world(request).access
    if len(access.valid(account.slug, "v2.1")) >= MOST_ISSUED:
        raise OAuthError("The maximum number of access tokens has already been issued")
    token, issued = access.issue(account.slug, "v2.1", ISSUED_SECONDS)
    return {"access_token": token, "token_type": "Bearer", "expires_in": ISSUED_SECONDS, "key_id": issued.key_id}


async def short_lived(request: Request) -> dict[str, Any]:
    """LINE: 30 days, at most 30; a 31st revokes the oldest."""
    form = await _form(request)
    _grant(form)
    account, access = _client(_world(request), form), _world(request).access
    for oldest in list(access.valid(account.slug, "short"))[: -(MOST_ISSUED - 1)]:
        access.revoke(oldest)
    token, _ = access.issue(account.slug, "short", ISSUED_SECONDS)
    return {"access_token": token, "expires_in": ISSUED_SECONDS, "token_type": "Bearer"}


async def key_ids(request: Request) -> dict[str, Any]:
    """List the key ids of valid v2.1 tokens."""
    query = {name: str(value) for name, value in request.query_params.items()}
    account = _client(_world(request), query)
    return {"kids": [token.key_id for token in _world(request).access.valid(account.slug, "v2.1").values()]}


async def revoke(request: Request) -> dict[str, Any]:
    """Make an issued token invalid; LINE answers 200 for unknown ones too."""
    _world(request).access.revoke((await _form(request)).get("access_token", ""))
    return {}


async def verify_short(request: Request) -> dict[str, Any]:
    """Tell how long a short-lived channel token lasts."""
    return _channel_token(_world(request), (await _form(request)).get("access_token", ""))


def _channel_token(world: World, token: str) -> dict[str, Any]:
    issued = world.access.find(token)
    if issued is None:
        raise OAuthError("access token expired")
    return {
        "client_id": world.accounts[issued.slug].channel_id,
        "expires_in": int(issued.expires_at - world.now()),
        "scope": "chat_message.write",
    }


async def verify_access(request: Request) -> dict[str, Any]:
    """Tell whose a user's access token (or a v2.1 channel token) is and how long it lasts."""
    world, token = _world(request), request.query_params.get("access_token", "")
    known = world.login.find_access(token)
    if known is None:
        return _channel_token(world, token)
    return {"scope": "profile openid", "client_id": known[1], "expires_in": known[0]}


async def verify_id_token(request: Request) -> dict[str, Any]:
    """Check an ID token as LINE does; `client_id` is the LINE Login channel's id."""
    form, world = await _form(request), _world(request)
    for name in ("id_token", "client_id"):
        if not form.get(name):
            raise OAuthError(f"{name} is required")
    claims = world.login.read(form["id_token"])
    if claims is None:
        raise OAuthError("Invalid IdToken.")
    if claims["iss"] != "https://access.line.me":
        raise OAuthError("Invalid IdToken Issuer.")
    if claims["exp"] < world.now():
        raise OAuthError("IdToken expired.")
    if claims["aud"] != form["client_id"]:
        raise OAuthError("Invalid IdToken Audience.")
    if "nonce" in form and claims.get("nonce") != form["nonce"]:
        raise OAuthError("Invalid IdToken Nonce.")
    if "user_id" in form and claims["sub"] != form["user_id"]:
        raise OAuthError("Invalid IdToken Subject Identifier.")
    return claims


_CORS = {"access-control-allow-origin": "*", "access-control-allow-headers": "authorization"}


def _login_user(request: Request) -> tuple[str, str] | None:
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    known = _world(request).login.find_access(token) if scheme == "Bearer" else None
    return (known[1], known[2]) if known else None


def _revoked() -> Response:
    return JSONResponse({"message": "The access token revoked"}, 401, _CORS)


async def login_profile(request: Request) -> Response:
    """Return the profile behind a user's access token."""
    login = _login_user(request)
    person = _world(request).people.get(login[1]) if login else None
    if person is None:
        return _revoked()
    shown = person.profile()
    shown.pop("language", None)
    return JSONResponse(shown, headers=_CORS)


async def friendship(request: Request) -> Response:
    """Tell whether the user is a friend of the account linked to the LINE Login channel."""
    login = _login_user(request)
    account = _world(request).by_login_channel(login[0]) if login else None
    if login is None or account is None:
        return _revoked()
    known = account.friends.get(login[1])
    return JSONResponse({"friendFlag": known is not None and known.is_friend}, headers=_CORS)


async def preflight(request: Request) -> Response:
    """Let pages of other origins ask: LIFF apps run on their own."""
    return Response(status_code=204, headers=_CORS)


ROUTES: list[BaseRoute] = [
    oauth_route("/oauth2/v3/token", stateless),
    oauth_route("/oauth2/v2.1/token", with_key),
    oauth_route("/oauth2/v2.1/revoke", revoke),
    oauth_route("/oauth2/v2.1/tokens/kid", key_ids, "GET"),
    oauth_route("/oauth2/v2.1/verify", verify_id_token),
    oauth_route("/oauth2/v2.1/verify", verify_access, "GET"),
    oauth_route("/v2/oauth/accessToken", short_lived),
    oauth_route("/v2/oauth/revoke", revoke),
    oauth_route("/v2/oauth/verify", verify_short),
    Route("/v2/profile", login_profile),
    Route("/friendship/v1/status", friendship),
    Route("/v2/profile", preflight, methods=["OPTIONS"]),
    Route("/friendship/v1/status", preflight, methods=["OPTIONS"]),
]
