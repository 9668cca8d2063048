"""An expression as the JSON it is read from: what a campaign keeps of the audience it froze. Pure."""

from __future__ import annotations

from typing import Any

from services.broadcast.segments.model import (
    AllOf,
    AnyOf,
    Clicked,
    During,
    Expression,
    Flag,
    FromSource,
    InSegment,
    Leaf,
    Missing,
    Not,
    OneOf,
    Tagged,
)
from shared.clock import rfc3339


def write_expression(expression: Expression) -> dict[str, Any]:
    """Return the JSON that reads back as this expression."""
    match expression:
        case AllOf(parts):
            return {"all": [write_expression(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [write_expression(part) for part in parts]}
        case Not(part):
            return {"not": write_expression(part)}
        case _:
            return _leaf(expression)


def _leaf(leaf: Leaf) -> dict[str, Any]:
    match leaf:
        case Flag(field, value):
            return {"field": field, "is": value}
        case Tagged(tags, every):
            return {"field": "tags", "has_all" if every else "has_any": list(tags)}
        case FromSource(sources):
            return {"field": "source", "in": list(sources)}
        case OneOf(contacts):
            return {"field": "contact", "in": list(contacts)}
        case During(field, days=int(days)):
            return {"field": field, "within_days": days}
        case During(field, after, before):
            ends = {"after": after, "before": before}
            return {"field": field} | {end: rfc3339(moment) for end, moment in ends.items() if moment is not None}
        case Missing(field):
            return {"field": field, "missing": True}
        case Clicked(kind, id):
            return {"field": "clicked", kind: id}
        case InSegment(id):
            return {"field": "segment", "is": id}
