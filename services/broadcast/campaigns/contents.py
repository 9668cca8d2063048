"""What a campaign says: checked against LINE's limits, its links tracked, before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from services.broadcast.campaigns.links import Tracked, track
from shared.line.messages import check_messages
from shared.line.rules import json_size
from shared.links import LinkKeys
from shared.problems import Problem

MOST_BYTES = 512 * 1024
"""Of all messages as JSON; LINE takes requests of 2 MB, recipients included."""
_PLACEHOLDER = "{name}"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Contents:
    """Checks messages and tracks their links."""

    link_keys: LinkKeys
    public_url: str

    def check(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Refuse messages that LINE would refuse, or that cannot be sent to many.

        Raises:
            Problem: 422 that names every field.
        """
        size = json_size(messages)
        if size is None or size > MOST_BYTES:
            detail = f"must be JSON of at most {MOST_BYTES // 1024} KB, with numbers of at most 64 bits"
            raise Problem("invalid", errors=[{"pointer": "/messages", "detail": detail}])
        self._refuse(messages, "")
        personal = [
            {"pointer": f"/messages/{index}/text", "detail": f"{_PLACEHOLDER} is not filled in what many people get"}
            for index, message in enumerate(messages)
            if message.get("type") == "text" and _PLACEHOLDER in message["text"]
        ]
        if personal:
            raise Problem("invalid", errors=personal)

    def track(self, messages: Sequence[Mapping[str, Any]], channel: str, prefix: str) -> Tracked:
        """Return the messages with tracked links `{prefix}.{i}`.

        Raises:
            Problem: 422 where the longer addresses make a message too large.
        """

        def sign(number: int, url: str) -> str:
            if url.startswith(f"{self.public_url}/r/"):
                raise ValueError("is a tracked link already")
            token = self.link_keys.sign_click(channel=channel, link=f"{prefix}.{number}", url=url)
            return f"{self.public_url}/r/{token}"

        tracked = track(messages, prefix, sign)
        self._refuse(tracked.messages, "with tracked links: ")
        return tracked

    def _refuse(self, messages: Sequence[Mapping[str, Any]], when: str) -> None:
        loopback = urlsplit(self.public_url).hostname in _LOOPBACK
        found = check_messages(list(messages), pointer="/messages", allow_loopback=loopback)
        if found:
            errors = [{"pointer": each.pointer, "detail": f"{when}{each.detail}"} for each in found]
            raise Problem("invalid", errors=errors)
