"""Tracked links: the web addresses in a campaign's messages, each area with a link of its own (features F6, F8). Pure.

Rewritten are http(s) addresses of URI actions (templates, Flex, imagemaps, quick replies) and in texts. What cannot be
tracked stays as it is and is told with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.line.rules import utf16_units

MOST_URI = 1000
"""Characters of a URI action's address (LINE)."""
MOST_TEXT = 5000
"""UTF-16 units of a text message (LINE)."""

Sign = Callable[[int, str], str]
"""Returns the tracked address of link number i (from 1) to an address.

Raises:
    ValueError: the address cannot be tracked; the text says why.
"""

_URL = re.compile(r"https?://[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+", re.IGNORECASE)
_PAIRS = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class TrackedLink:
    """A link of a campaign: `{campaign}.{i}`, where it leads, and where it stands (JSON pointer into the messages)."""

    id: str
    url: str
    place: str


@dataclass(frozen=True, slots=True)
class Untracked:
    """An address that stays as it is."""

    place: str
    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Tracked:
    """Messages with their links rewritten."""

    messages: list[dict[str, Any]]
    links: tuple[TrackedLink, ...]
    untracked: tuple[Untracked, ...]


def track(messages: Sequence[Mapping[str, Any]], campaign: str, sign: Sign) -> Tracked:
    """Rewrite the links of message objects; the same content always has the same links.

    Args:
        messages: LINE message objects that keep LINE's limits; they are not changed.
        campaign: what the links' ids begin with.
        sign: makes the tracked addresses.
    """
    work = _Work(campaign, sign)
    rewritten = [work.message(message, f"/messages/{index}") for index, message in enumerate(messages)]
    return Tracked(rewritten, tuple(work.links), tuple(work.untracked))


@dataclass
class _Work:
    """One pass over the messages."""

    campaign: str
    sign: Sign
    links: list[TrackedLink] = field(default_factory=list)
    untracked: list[Untracked] = field(default_factory=list)

    def message(self, message: Mapping[str, Any], place: str) -> dict[str, Any]:
        rewritten = {name: self.value(child, f"{place}/{name}") for name, child in message.items()}
        if message.get("type") in {"text", "textV2"} and isinstance(message.get("text"), str):
            rewritten |= self.text(message, f"{place}/text")
        return rewritten

    def value(self, value: Any, place: str) -> Any:
        """Return a copy of any part of a message with the addresses of its actions rewritten."""
        if isinstance(value, Mapping):
            return {name: self.member(value, name, f"{place}/{name}") for name in value}
        if isinstance(value, list):
            return [self.value(child, f"{place}/{index}") for index, child in enumerate(value)]
        return value

    def member(self, owner: Mapping[str, Any], name: str, place: str) -> Any:
        value = owner[name]
        is_action = name == "uri" and owner.get("type") == "uri"
        if isinstance(value, str) and (is_action or name == "linkUri" or place.endswith("/altUri/desktop")):
            return self.address(value, place, MOST_URI)
        return self.value(value, place)

    def address(self, url: str, place: str, room: int, too_long: str | None = None) -> str:
        """Return the tracked address, or the given one where it cannot be tracked in `room` characters."""
        if not url.lower().startswith(("http://", "https://")):
            return url
        number = len(self.links) + 1
        try:
            if _opens_in_line(url):
                raise ValueError("LINE opens this itself; a detour would lead out of the app")
            tracked = self.sign(number, url)
            if len(tracked) > room:
                raise ValueError(too_long or f"with tracking it would have {len(tracked)} characters, more than {room}")
        except ValueError as error:
            self.untracked.append(Untracked(place, url, str(error)))
            return url
        self.links.append(TrackedLink(f"{self.campaign}.{number}", url, place))
        return tracked

    def text(self, message: Mapping[str, Any], place: str) -> dict[str, Any]:
        """Return the text with its addresses tracked, and its emojis' positions moved along."""
        text: str = message["text"]
        emojis = [emoji for emoji in message.get("emojis") or () if isinstance(emoji, Mapping)]
        stops = {emoji.get("index") for emoji in emojis}
        spare = MOST_TEXT - utf16_units(text)
        parts: list[str] = []
        shifts: list[tuple[int, int]] = []
        done = 0
        for start, end in _addresses(text, stops):
            url = text[start:end]
            if text[end : end + 1] == "{":
                self.untracked.append(Untracked(place, url, "a placeholder follows within the address"))
                continue
            too_long = f"with tracking the text would have more than {MOST_TEXT} characters"
            tracked = self.address(url, place, len(url) + spare, too_long)
            grown = len(tracked) - len(url)
            spare -= grown
            shifts.append((utf16_units(text[:end]), grown))
            parts += [text[done:start], tracked]
            done = end
        changed: dict[str, Any] = {"text": "".join([*parts, text[done:]])}
        return changed | ({"emojis": [_moved(emoji, shifts) for emoji in emojis]} if emojis else {})


def _opens_in_line(url: str) -> bool:
    host = (urlsplit(url).hostname or "").lower()
    return host == "lin.ee" or host == "line.me" or host.endswith(".line.me")


def _addresses(text: str, stops: set[Any]) -> list[tuple[int, int]]:
    """Return where addresses begin and end, without the punctuation of the sentence around them.

    `stops` are positions (UTF-16 units) of emojis, at which an address cannot go on.
    """
    found = []
    for match in _URL.finditer(text):
        start, end = match.span()
        before = utf16_units(text[:start])
        end = min([end, *(start + stop - before for stop in stops if isinstance(stop, int) and stop >= before)])
        end = start + len(_without_punctuation(text[start:end]))
        if urlsplit(text[start:end].partition("[")[0]).netloc:
            found.append((start, end))
    return found


def _without_punctuation(url: str) -> str:
    while url:
        last = url[-1]
        unpaired = last in _PAIRS and url.count(last) > url.count(_PAIRS[last])
        if last not in ".,;:!?'" and not unpaired:
            break
        url = url[:-1]
    return url


def _moved(emoji: Mapping[str, Any], shifts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    index = emoji.get("index")
    if not isinstance(index, int):
        return dict(emoji)
    return {**emoji, "index": index + sum(grown for end, grown in shifts if end <= index)}
