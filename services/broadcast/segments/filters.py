"""An expression as a filter of the store, with the meaning of `matches`; only values of checked types get in. Pure."""

from __future__ import annotations

from datetime import datetime

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
from shared.mongo import Document


def compile_filter(expression: Expression, at: datetime) -> Document:
    """Return the filter that finds the people `matches` is true for, asked at a time. An empty one finds everyone.

    Raises:
        LookupError: a segment is still only named.
    """
    match expression:
        case AllOf(parts):
            return _joined("$and", [compile_filter(part, at) for part in parts])
        case AnyOf(parts):
            return _joined("$or", [compile_filter(part, at) for part in parts])
        case Not(Not(part)):
            return compile_filter(part, at)
        case Not(Flag(field, value)):
            return _leaf(Flag(field, not value), at)
        case Not(part):
            # Not `$not`: that negates an operator of one field, this a whole filter, missing fields included.
            return {"$nor": [compile_filter(part, at)]}
        case _:
            return _leaf(expression, at)


def _joined(operator: str, parts: list[Document]) -> Document:
    if len(parts) == 1:
        return parts[0]
    return {operator: parts} if parts else {}


def _leaf(leaf: Leaf, at: datetime) -> Document:
    match leaf:
        case Flag("following", False):
            return {"following": {"$ne": True}}
        case Flag(field, value):
            return {field: value}
        case Tagged((tag,)):
            return {"tags": tag}
        case Tagged(tags, every):
            return {"tags": {"$all" if every else "$in": list(tags)}}
        case FromSource(sources):
            return {"source": {"$in": list(sources)}}
        case OneOf(contacts):
            return {"_id": {"$in": list(contacts)}}
        case During(field):
            ends = {"$gte": leaf.since(at), "$lt": leaf.before}
            return {field: {operator: moment for operator, moment in ends.items() if moment is not None}}
        case Missing(field):
            return {field: None}
        case Clicked(kind, id):
            return {"clicked_campaigns" if kind == "campaign" else "clicked_links": id}
        case InSegment(id):
            raise LookupError(id)
