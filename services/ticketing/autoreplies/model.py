"""Which rule answers a message: pure rules.

A rule answers a text that is exactly one of its keywords, for whom and when it says. Several rules may have the same
keyword: inside and outside office hours, bound and unbound give four texts (features F53, F54).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, Literal

Audience = Literal["any", "bound", "unbound"]
When = Literal["always", "inside", "outside"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = time(0)
HELP_WORDS = ("help", "說明", "ヘルプ", "วิธีใช้")
_HELP = {
    "zh-TW": "您可以輸入這些關鍵字:",
    "ja": "次のキーワードを送ってください:",
    "th": "พิมพ์คำเหล่านี้ได้:",
    "en": "You can send these words:",
}
MOST_LISTED = 100


def compared(text: str) -> str:
    """Return the form in which keywords and messages are compared: width, letter case and outer blanks do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days in the account's zone; `end` at or before `start` is on the next day, midnight its end."""

    days: tuple[Day, ...]
    start: time
    end: time

    def holds(self, local: datetime) -> bool:
        """Whether a local moment lies in it; the end does not belong to it."""
        clock = local.time().replace(tzinfo=None)
        today, before = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        return (today in self.days and clock >= self.start) or (before in self.days and clock < self.end)


@dataclass(frozen=True, slots=True)
class Rule:
    """An automatic answer: messages, or a guided flow to start."""

    channel: str
    name: str
    keywords: tuple[str, ...]
    audience: Audience = "any"
    when: When = "always"
    windows: tuple[Window, ...] = ()
    messages: Sequence[dict[str, Any]] = ()
    start_flow: str | None = None
    priority: int = 100
    """Of several rules that fit, the one with the lowest number answers; the name decides between equals."""
    version: int = 0
    updated_at: datetime | None = None
    updated_by: str = ""

    @property
    def compared(self) -> frozenset[str]:
        """Its keywords as they are compared."""
        return frozenset(compared(keyword) for keyword in self.keywords)

    def fits(self, local: datetime, *, bound: bool) -> bool:
        """Whether it is for such a friend at such a time."""
        if self.audience != "any" and bound != (self.audience == "bound"):
            return False
        if self.when == "always":
            return True
        return any(window.holds(local) for window in self.windows) == (self.when == "inside")


@dataclass(frozen=True)
class Rules:
    """The rules of one account, by keyword."""

    by_keyword: dict[str, tuple[Rule, ...]] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    """Every keyword as staff wrote it."""

    def match(self, text: str, local: datetime, *, bound: bool) -> Rule | None:
        """Return the rule that answers a text at a moment of the account's zone."""
        fitting = (rule for rule in self.by_keyword.get(compared(text), ()) if rule.fits(local, bound=bound))
        return next(fitting, None)

    def asks_for_help(self, text: str) -> bool:
        """Whether a text asks which keywords there are, and no rule has taken that word for itself."""
        word = compared(text)
        return bool(self.listed) and word not in self.by_keyword and word in {compared(each) for each in HELP_WORDS}


def index(rules: Iterable[Rule]) -> Rules:
    """Return an account's rules, ready to be looked up."""
    by_keyword: dict[str, list[Rule]] = {}
    listed: dict[str, str] = {}
    for rule in sorted(rules, key=lambda rule: (rule.priority, rule.name)):
        for keyword in rule.keywords:
            listed.setdefault(compared(keyword), keyword.strip())
        for word in rule.compared:
            by_keyword.setdefault(word, []).append(rule)
    return Rules({word: tuple(found) for word, found in by_keyword.items()}, tuple(listed.values()))


def help_text(rules: Rules, language: str) -> str:
    """Return the text that lists an account's keywords, in its language."""
    return "\n".join([_HELP.get(language, _HELP["en"]), *(f"・{word}" for word in rules.listed[:MOST_LISTED])])
