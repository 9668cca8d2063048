"""Channel access tokens: the console's long-lived one and the kinds that can be issued."""

from __future__ import annotations

import secrets
from collections.abc import Callable

STATELESS_SECONDS = 900
ISSUED_SECONDS = 30 * 86400
MOST_ISSUED = 30
"""LINE: 30 valid tokens a channel; a 31st v2.1 token is refused, a 31st short-lived one revokes the oldest."""


class IssuedToken:
    """A token that was issued through the API."""

    __slots__ = ("expires_at", "key_id", "kind", "slug")

    def __init__(self, slug: str, kind: str, expires_at: float) -> None:
        self.slug = slug
        self.kind = kind
        self.expires_at = expires_at
        self.key_id = secrets.token_urlsafe(12)


class AccessTokens:
    """Which token belongs to which account."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._static: dict[str, str] = {}
        self._issued: dict[str, IssuedToken] = {}
        self._revoked: set[str] = set()

    def add_static(self, token: str, slug: str) -> None:
        """Register the long-lived token of an account."""
        self._static[token] = slug

    def account_of(self, token: str) -> str | None:
        """Return the slug a valid token belongs to, or None."""
        if token in self._revoked:
            return None
        slug = self._static.get(token)
        if slug is not None:
            return slug
        issued = self.find(token)
        return issued.slug if issued else None

    def find(self, token: str) -> IssuedToken | None:
        """Return an issued token that is neither expired nor revoked."""
        issued = self._issued.get(token)
        return issued if issued is not None and issued.expires_at > self._now() else None

    def issue(self, slug: str, kind: str, seconds: int) -> tuple[str, IssuedToken]:
        """Issue a token of a kind (`stateless`, `v2.1`, `short`)."""
        token = secrets.token_urlsafe(48)
        self._issued[token] = issued = IssuedToken(slug, kind, self._now() + seconds)
        return token, issued

    def valid(self, slug: str, kind: str) -> dict[str, IssuedToken]:
        """Return the valid tokens of a kind, oldest first."""
        now = self._now()
        return {
            token: issued
            for token, issued in self._issued.items()
            if issued.slug == slug and issued.kind == kind and issued.expires_at > now
        }

    def revoke(self, token: str) -> None:
        """Make a token invalid, the long-lived one included."""
        self._issued.pop(token, None)
        if token in self._static:
            self._revoked.add(token)

    def restore(self, slug: str) -> None:
        """Make the long-lived token of an account valid again."""
        self._revoked = {token for token in self._revoked if self._static[token] != slug}

    def is_revoked(self, slug: str) -> bool:
        """Whether the long-lived token of an account is revoked."""
        return any(self._static[token] == slug for token in self._revoked)
