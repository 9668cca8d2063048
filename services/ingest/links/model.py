"""Who opens a link: a returning browser by its cookie, a new one, or a robot making a preview. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

COOKIE = "musubi_visitor"
COOKIE_SECONDS = 365 * 24 * 3600
_VISITOR = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|facebookexternalhit|line-poker|whatsapp|embedly|vkshare|"
    r"pinterest|skypeuripreview|google-(?:safety|inspectiontool)|mediapartners",
    re.IGNORECASE,
)
"""LINE's own preview calls itself `facebookexternalhit/1.1;line-poker/1.0`."""


def is_robot(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a preview, a crawler or a prefetch opens the link, and not a person."""
    agent = headers.get("user-agent", "")
    ahead = "prefetch" in headers.get("sec-purpose", "") or headers.get("purpose") == "prefetch"
    return method == "HEAD" or not agent or ahead or _ROBOT.search(agent[:512]) is not None


def visitor_of(cookie: str | None) -> str:
    """Return the visitor a cookie names, or a new random one: 128 bits that say nothing about the person."""
    return cookie if cookie is not None and _VISITOR.match(cookie) else secrets.token_urlsafe(16)
