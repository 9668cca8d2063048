"""One condition of a segment, from JSON: allow-listed fields and operators, values of checked types. Pure.

    {"field": "bound", "is": true}              also "following"
    {"field": "tags", "has": "vip"}             or "has_any": [...], "has_all": [...]
    {"field": "source", "in": ["flyer"]}        or "missing": true
    {"field": "followed_at", "after": "2026-11-01T00:00:00+08:00", "before": …}   or "within_days": 7, "missing": true;
                                                also "unfollowed_at", "first_seen_at", "last_seen_at"
    {"field": "clicked", "campaign": "cmp_…"}   or "link": "cmp_….1"
    {"field": "segment", "is": "seg_…"}
    {"field": "contact", "in": ["coffee:U…"]}

Nothing else is let in, so no operator of the store can be (reliability, security 9).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from services.broadcast.segments.model import (
    Clicked,
    During,
    Flag,
    FlagField,
    FromSource,
    InSegment,
    Leaf,
    Missing,
    MomentField,
    OneOf,
    Tagged,
    whole_millis,
)
from shared.tags import TAG_LIMIT, compared_tag

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SOURCE = re.compile(r"[a-z0-9-]{1,32}")
_LINK = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_CAMPAIGN = re.compile(r"cmp_[A-Za-z0-9]{1,40}")
_SEGMENT = re.compile(r"seg_[A-Za-z0-9]{1,40}")
_USER = re.compile(r"U[0-9a-f]{32}")

MOST_VALUES = 100
"""Tags or sources of one condition."""
MOST_DAYS = 3650


class Wrong(ValueError):
    """Something is wrong at a JSON pointer; the detail says what is allowed there."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(f"{pointer} {detail}")
        self.pointer, self.detail = pointer, detail


@dataclass(frozen=True, slots=True)
class _Given:
    """A condition as given: its field, what stands beside it, and where."""

    field: str
    operators: Mapping[str, Any]
    channel: str
    most_contacts: int
    at: str

    def only(self, *allowed: str) -> tuple[str, Any]:
        """Return the one operator there is, and its value."""
        if len(self.operators) == 1:
            [(operator, operand)] = self.operators.items()
            if operator in allowed:
                return operator, operand
        raise Wrong(self.at, f"must have exactly one of {', '.join(allowed)} beside its field")


def read_condition(value: Mapping[str, Any], channel: str, at: str, most_contacts: int) -> Leaf:
    """Read a condition of an account, which stands at a JSON pointer.

    Raises:
        Wrong: says where and what is allowed.
    """
    field = value["field"]
    read = _FIELDS.get(field) if isinstance(field, str) else None
    if read is None:
        raise Wrong(f"{at}/field", f"must be one of {', '.join(sorted(_FIELDS))}")
    operators = {operator: operand for operator, operand in value.items() if operator != "field"}
    return read(_Given(field, operators, channel, most_contacts, at))


def _flag(given: _Given) -> Leaf:
    _, value = given.only("is")
    if not isinstance(value, bool):
        raise Wrong(f"{given.at}/is", "must be true or false")
    return Flag(cast(FlagField, given.field), value)


def _tags(given: _Given) -> Leaf:
    operator, operand = given.only("has", "has_any", "has_all")
    at = f"{given.at}/{operator}"
    what = f"a tag of 1 to {TAG_LIMIT} characters"
    tags = [_text(operand, at, what, _is_tag)] if operator == "has" else _texts(operand, at, what, _is_tag)
    compared = tuple(dict.fromkeys(compared_tag(tag) for tag in tags))
    return Tagged(compared, every=operator != "has_any")


def _source(given: _Given) -> Leaf:
    operator, operand = given.only("in", "missing")
    if operator == "missing":
        return _missing(given)
    sources = _texts(operand, f"{given.at}/in", "the name of a source: a-z, 0-9, -", _fits(_SOURCE))
    return FromSource(tuple(dict.fromkeys(sources)))


def _missing(given: _Given) -> Leaf:
    if given.operators != {"missing": True}:
        raise Wrong(f"{given.at}/missing", "must be true, and alone")
    return Missing(cast(Any, given.field))


def _moment(given: _Given) -> Leaf:
    field, operators = cast(MomentField, given.field), given.operators
    if "missing" in operators:
        return _missing(given)
    if operators.keys() == {"within_days"}:
        return During(field, days=_days(operators["within_days"], f"{given.at}/within_days"))
    if not operators or not operators.keys() <= {"after", "before"}:
        raise Wrong(given.at, "must have after or before or both, or within_days, or missing: true")
    ends = {end: _time(text, f"{given.at}/{end}") for end, text in operators.items()}
    after, before = ends.get("after"), ends.get("before")
    if after is not None and before is not None and after >= before:
        raise Wrong(f"{given.at}/before", "must be later than after")
    return During(field, after, before)


def _days(value: Any, at: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_DAYS:
        raise Wrong(at, f"must be a whole number of days, 1 to {MOST_DAYS}")
    return value


def _time(value: Any, at: str) -> datetime:
    try:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise ValueError
        return whole_millis(datetime.fromisoformat(value.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        raise Wrong(at, "must be a time with offset, such as 2026-11-01T00:00:00+08:00") from None


def _clicked(given: _Given) -> Leaf:
    operator, operand = given.only("campaign", "link")
    at, what = f"{given.at}/{operator}", f"the id of a {operator}"
    if operator == "campaign":
        return Clicked("campaign", _text(operand, at, what, _fits(_CAMPAIGN)))
    return Clicked("link", _text(operand, at, what, _fits(_LINK)))


def _segment(given: _Given) -> Leaf:
    _, value = given.only("is")
    return InSegment(_text(value, f"{given.at}/is", "the id of a segment", _fits(_SEGMENT)))


def _contact(given: _Given) -> Leaf:
    _, value = given.only("in")
    prefix = f"{given.channel}:"

    def is_own(text: str) -> bool:
        return text.startswith(prefix) and _USER.fullmatch(text.removeprefix(prefix)) is not None

    contacts = _texts(
        value, f"{given.at}/in", f"a user's contact of this account, {prefix}U…", is_own, given.most_contacts
    )
    return OneOf(tuple(sorted(set(contacts))))


def _text(value: Any, at: str, what: str, fits: Callable[[str], bool]) -> str:
    if not isinstance(value, str) or not fits(value):
        raise Wrong(at, f"must be {what}")
    return value


def _texts(value: Any, at: str, what: str, fits: Callable[[str], bool], most: int = MOST_VALUES) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise Wrong(at, f"must be a list of 1 to {most}, each {what}")
    return [_text(text, f"{at}/{index}", what, fits) for index, text in enumerate(value)]


def _fits(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _is_tag(text: str) -> bool:
    compared = compared_tag(text)
    return bool(compared) and len(text) <= TAG_LIMIT and compared.isprintable()


_FIELDS: Mapping[str, Callable[[_Given], Leaf]] = {
    "bound": _flag,
    "following": _flag,
    "tags": _tags,
    "source": _source,
    "followed_at": _moment,
    "unfollowed_at": _moment,
    "first_seen_at": _moment,
    "last_seen_at": _moment,
    "clicked": _clicked,
    "segment": _segment,
    "contact": _contact,
}
