"""Short-lived secrets that LINE hands out: reply tokens, link tokens, ID tokens, access tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

import orjson

REPLY_SECONDS = 60
REPLY_EVENT_SECONDS = 20 * 60
LINK_SECONDS = 600
ID_TOKEN_SECONDS = 3600


class ReplyToken:
    """Whom a reply token answers, and since when."""

    __slots__ = ("chat_id", "event_at", "event_id", "sent_at", "slug")

    def __init__(self, slug: str, chat_id: str, event_id: str, event_at: float) -> None:
        self.slug = slug
        self.chat_id = chat_id
        self.event_id = event_id
        self.event_at = event_at
        self.sent_at = event_at


class ReplyTokens:
    """LINE: one use; one minute from receiving the webhook; a redelivery gives it another minute, up to 20 minutes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._live: dict[str, ReplyToken] = {}

    def issue(self, slug: str, chat_id: str, event_id: str, token: str | None = None) -> str:
        """Make (or, for an injected event, adopt) the reply token of an event."""
        self._forget_old()
        made = token or secrets.token_hex(16)
        self._live[made] = ReplyToken(slug, chat_id, event_id, self._now())
        return made

    def sent(self, token: str) -> None:
        """Start the token's minute: its event is being delivered."""
        known = self._live.get(token)
        if known is not None:
            known.sent_at = self._now()

    def peek(self, token: str, slug: str) -> ReplyToken | None:
        """Return what the token answers if it may be used now by this account."""
        known = self._live.get(token)
        if known is None or known.slug != slug:
            return None
        now = self._now()
        if now - known.sent_at > REPLY_SECONDS or now - known.event_at > REPLY_EVENT_SECONDS:
            return None
        return known

    def spend(self, token: str) -> None:
        """Use a token up."""
        self._live.pop(token, None)

    def clear(self) -> None:
        """Forget every token."""
        self._live.clear()

    def _forget_old(self) -> None:
        oldest = self._now() - REPLY_EVENT_SECONDS
        while self._live:
            token = next(iter(self._live))
            if self._live[token].event_at >= oldest:
                return
            del self._live[token]


class LinkTokens:
    """LINE: a link token lives ten minutes and works once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._live: dict[str, tuple[float, str, str]] = {}

    def issue(self, slug: str, user_id: str) -> str:
        """Make a link token for a user of an account."""
        token = secrets.token_urlsafe(24)
        self._live[token] = (self._now() + LINK_SECONDS, slug, user_id)
        return token

    def spend(self, token: str) -> tuple[str, str] | None:
        """Use the token: the account's slug and the user it was made for, or None if expired, used or unknown."""
        until, slug, user_id = self._live.pop(token, (0.0, "", ""))
        return (slug, user_id) if until > self._now() else None


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class LoginTokens:
    """ID tokens and user access tokens of LINE Login and LIFF, signed with a key only this process knows (HS256)."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._access: dict[str, tuple[float, str, str]] = {}

    def id_token(self, client_id: str, user_id: str, claims: dict[str, Any] | None = None) -> str:
        """Issue an ID token for a LINE Login channel; `claims` override or add to the standard ones."""
        now = int(self._now())
        payload = {
            "iss": "https://access.line.me",
            "sub": user_id,
            "aud": client_id,
            "exp": now + ID_TOKEN_SECONDS,
            "iat": now,
            "amr": ["linesso"],
        } | (claims or {})
        head = _b64(orjson.dumps({"typ": "JWT", "alg": "HS256"}))
        signed = f"{head}.{_b64(orjson.dumps(payload))}"
        return f"{signed}.{_b64(self._sign(signed))}"

    def read(self, id_token: str) -> dict[str, Any] | None:
        """Return the payload of an ID token this process signed, expired or not; None for any other."""
        signed, _, signature = id_token.rpartition(".")
        if not hmac.compare_digest(_b64(self._sign(signed)).encode(), signature.encode()):
            return None
        payload = signed.partition(".")[2]
        claims: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims

    def access_token(self, client_id: str, user_id: str) -> str:
        """Issue a user access token of LINE Login."""
        token = secrets.token_urlsafe(32)
        self._access[token] = (self._now() + ID_TOKEN_SECONDS, client_id, user_id)
        return token

    def find_access(self, token: str) -> tuple[int, str, str] | None:
        """Return seconds left, client id and user id of a user access token; None if unknown or expired."""
        until, client_id, user_id = self._access.get(token, (0.0, "", ""))
        left = int(until - self._now())
        return (left, client_id, user_id) if left > 0 else None

    def _sign(self, text: str) -> bytes:
        return hmac.new(self._key, text.encode(), hashlib.sha256).digest()
