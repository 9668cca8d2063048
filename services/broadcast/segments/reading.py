"""Expressions as JSON: how conditions are joined, how large they may be, every error by its pointer. Pure.

{"all": [...]}  {"any": [...]}  {"not": {...}}      around conditions (`conditions.py`)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.broadcast.segments.conditions import Wrong, read_condition
from services.broadcast.segments.model import AllOf, AnyOf, Expression, Not, OneOf

_JOINED = ("all", "any", "not")
_ERRORS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How large an expression may be."""

    depth: int = 5
    leaves: int = 100
    contacts: int = 10_000


WRITTEN = Limits()
"""What a person may write."""
RESOLVED = Limits(depth=30, leaves=1_000, contacts=50_000)
"""What it may come to once the segments it names are in their places."""


class BadExpression(ValueError):
    """An expression that cannot be used; `errors` have JSON pointers and say what is allowed."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{error['pointer']} {error['detail']}" for error in errors))
        self.errors = errors


def read_expression(value: Any, channel: str, *, at: str = "/expression", limits: Limits = WRITTEN) -> Expression:
    """Read an expression of an account.

    Args:
        value: parsed JSON.
        channel: whose contacts it may name.
        at: JSON pointer of the value, with which the pointers of errors begin.
        limits: how large it may be.

    Raises:
        BadExpression: names what is wrong, up to 20 places.
    """
    reading = _Reading(channel, limits)
    expression = reading.part(value, at, 1)
    if reading.leaves > limits.leaves:
        reading.note(Wrong(at, f"has {reading.leaves} conditions, more than {limits.leaves}"))
    if reading.contacts > limits.contacts:
        reading.note(Wrong(at, f"names {reading.contacts} contacts, more than {limits.contacts}"))
    if reading.errors:
        raise BadExpression(reading.errors[:_ERRORS_TOLD])
    return expression


@dataclass
class _Reading:
    """One pass over an expression. What is wrong is noted, and the pass goes on with the next part."""

    channel: str
    limits: Limits
    leaves: int = 0
    contacts: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)

    def note(self, wrong: Wrong) -> None:
        self.errors.append({"pointer": wrong.pointer, "detail": wrong.detail})

    def part(self, value: Any, at: str, depth: int) -> Expression:
        """Return a part; in the place of a wrong one, everyone."""
        try:
            return self.read(value, at, depth)
        except Wrong as wrong:
            self.note(wrong)
            return AllOf(())

    def read(self, value: Any, at: str, depth: int) -> Expression:
        if not isinstance(value, dict):
            raise Wrong(at, "must be an object")
        if depth > self.limits.depth:
            raise Wrong(at, f"is nested deeper than {self.limits.depth} levels")
        if "field" in value:
            return self.condition(value, at)
        if len(value) != 1 or next(iter(value)) not in _JOINED:
            raise Wrong(at, 'must have "field", or be one of {"all": […]}, {"any": […]}, {"not": {…}}')
        [(operator, inner)] = value.items()
        if operator == "not":
            return Not(self.part(inner, f"{at}/not", depth + 1))
        parts = self.parts(operator, inner, f"{at}/{operator}", depth)
        return AllOf(parts) if operator == "all" else AnyOf(parts)

    def parts(self, operator: str, inner: Any, at: str, depth: int) -> tuple[Expression, ...]:
        if not isinstance(inner, list) or (operator == "any" and not inner):
            raise Wrong(at, 'must be a list of conditions; only "all" may be empty: everyone')
        if len(inner) > self.limits.leaves:
            raise Wrong(at, f"has {len(inner)} parts, more than {self.limits.leaves}")
        self.leaves += not inner
        return tuple(self.part(part, f"{at}/{index}", depth + 1) for index, part in enumerate(inner))

    def condition(self, value: dict[str, Any], at: str) -> Expression:
        self.leaves += 1
        leaf = read_condition(value, self.channel, at, self.limits.contacts)
        if isinstance(leaf, OneOf):
            self.contacts += len(leaf.contacts)
        return leaf
