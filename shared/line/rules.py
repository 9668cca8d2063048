"""Small rules about JSON that LINE's limits are put together from. Pure; any JSON goes in, problems come out."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import regex

MOST_DEPTH = 100
MOST_URL = 2000


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: a JSON pointer (RFC 6901) to the field, and what is allowed there."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a rule looks: the pointer so far, and whether plain http to this machine will do (development)."""

    pointer: str = ""
    loopback: bool = False
    depth: int = 0

    def child(self, part: str | int) -> Spot:
        """Return the spot of a member or item."""
        escaped = str(part).replace("~", "~0").replace("/", "~1")
        return Spot(f"{self.pointer}/{escaped}", self.loopback, self.depth + 1)

    def problem(self, detail: str) -> Problem:
        """Return a problem here."""
        return Problem(self.pointer, detail)


Rule = Callable[[Any, Spot], Iterator[Problem]]


def utf16_units(text: str) -> int:
    """Count as LINE does by default: UTF-16 code units, so 🍎 is 2."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def graphemes(text: str) -> int:
    """Count as LINE does for labels and template texts: grapheme clusters, what a person calls a character."""
    return len(regex.findall(r"\X", text))


def anything(value: Any, at: Spot) -> Iterator[Problem]:
    """Take whatever it is."""
    yield from ()


def text(
    most: int | None = None, *, count: Callable[[str], int] = utf16_units, least: int = 1, form: str | None = None
) -> Rule:
    """Return a rule for a text of `least` to `most` characters, all of them in `form`, a character class."""
    unit = "UTF-16 units, an emoji is 2 or more" if count is utf16_units else "as people count them"
    matches = None if form is None else regex.compile(f"{form}*")

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield at.problem("must be a text")
        elif any("\ud800" <= char <= "\udfff" for char in value):
            yield at.problem("must be valid Unicode")
        elif matches is not None and not matches.fullmatch(value):
            yield at.problem(f"may only have characters of {form}")
        elif not value and least:
            yield at.problem("must not be empty")
        elif most is not None and not least <= (size := count(value)) <= most:
            yield at.problem(f"must have {least} to {most} characters ({unit}), has {size}")

    return check


def one_of(*allowed: str) -> Rule:
    """Return a rule for one of some words."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, str) or value not in allowed:
            yield at.problem(f"must be one of: {', '.join(allowed)}")

    return check


def number(least: float, most: float | None = None, *, whole: bool = True) -> Rule:
    """Return a rule for a number within bounds."""
    allowed = f"must be {'a whole number' if whole else 'a number'}{_bounds(least, most)}"

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not right or value < least or (most is not None and value > most):
            yield at.problem(allowed)

    return check


def _bounds(least: float, most: float | None) -> str:
    if most is None:
        return f" of at least {least:g}"
    return f", always {least:g}" if least == most else f" from {least:g} to {most:g}"


def flag(value: Any, at: Spot) -> Iterator[Problem]:
    """Take true or false."""
    if not isinstance(value, bool):
        yield at.problem("must be true or false")


def items(rule: Rule, least: int, most: int | None) -> Rule:
    """Return a rule for a list of `least` to `most` items that each follow a rule."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield at.problem("must be a list")
            return
        if len(value) < least or (most is not None and len(value) > most):
            yield at.problem(f"must have {least if least == most else f'{least} to {most}'} items, has {len(value)}")
        for index, each in enumerate(value[:most]):
            yield from rule(each, at.child(index))

    return check


def fields(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """Return a rule for an object; members it does not name are LINE's business."""
    known = {**required, **(optional or {})}

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield at.problem("must be an object")
            return
        if at.depth > MOST_DEPTH:
            yield at.problem("is nested too deeply")
            return
        for name, rule in known.items():
            if value.get(name) is not None:
                yield from rule(value[name], at.child(name))
            elif name in required:
                yield at.child(name).problem("is required")
            elif name in value:
                yield at.child(name).problem("must be left out instead of null")

    return check


def by_type(kinds: Mapping[str, Rule]) -> Rule:
    """Return a rule for an object whose `type` says which rule it follows."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield at.problem("must be an object")
            return
        kind = value.get("type")
        rule = kinds.get(kind) if isinstance(kind, str) else None
        if rule is None:
            yield at.child("type").problem(f"must be one of: {', '.join(kinds)}")
        else:
            yield from rule(value, at)

    return check


def then(rule: Rule, *further: Rule) -> Rule:
    """Return a rule that goes on to further rules only where the first finds nothing, so that they may rely on it."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        found = list(rule(value, at))
        yield from found
        if not found:
            for each in further:
                yield from each(value, at)

    return check


def chosen(choose: Callable[[dict[str, Any]], Rule]) -> Rule:
    """Return a rule for an object that decides itself which rule it follows."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield at.problem("must be an object")
        else:
            yield from choose(value)(value, at)

    return check


def url(value: Any, at: Spot) -> Iterator[Problem]:
    """Take what LINE fetches: https, percent-encoded, at most 2,000 characters."""
    problems = list(text(MOST_URL)(value, at))
    yield from problems
    if not problems:
        schemes = ("https", "http") if at.loopback and _is_loopback(value) else ("https",)
        yield from _address(value, at, schemes)


def link(most: int, *schemes: str) -> Rule:
    """Return a rule for an address of one of these schemes that a phone opens."""

    def check(value: Any, at: Spot) -> Iterator[Problem]:
        problems = list(text(most)(value, at))
        yield from problems
        if not problems:
            yield from _address(value, at, schemes)

    return check


def json_size(value: Any) -> int | None:
    """Return the bytes of a value as compact JSON; None where it cannot be written."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return None


def _address(value: str, at: Spot, schemes: tuple[str, ...]) -> Iterator[Problem]:
    scheme, colon, rest = value.partition(":")
    if not value.isascii() or not value.isprintable() or " " in value:
        yield at.problem("must be percent-encoded: no spaces, no characters beyond ASCII")
    elif not colon or scheme.lower() not in schemes:
        yield at.problem(f"must start with {' or '.join(f'{each}:' for each in schemes)}")
    elif scheme.lower() in ("http", "https") and (not rest.startswith("//") or not _host(value)):
        yield at.problem("must name a host")


def _host(value: str) -> str | None:
    try:
        return urlsplit(value).hostname
    except ValueError:
        return None


def _is_loopback(value: str) -> bool:
    host = _host(value)
    if host is None:
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
