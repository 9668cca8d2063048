"""Putting the segments that an expression names in their places, without walking in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from services.broadcast.segments.filters import compile_filter
from services.broadcast.segments.model import (
    AllOf,
    AnyOf,
    Expression,
    InSegment,
    Not,
    OneOf,
    Segment,
    pinned,
    references,
    resolved,
)
from services.broadcast.segments.reading import RESOLVED, BadExpression, read_expression
from services.broadcast.segments.writing import write_expression
from shared.mongo import Document

MOST_SEGMENTS = 50
"""Segments that one expression may lead to."""
_POINTER = "/expression"


class FindsSegments(Protocol):
    """Where segments are looked up."""

    async def of_channel(self, channel: str, ids: frozenset[str]) -> Mapping[str, Segment]:
        """Return the account's segments of these ids; those that are not there are left out."""


@dataclass(frozen=True)
class Audiences:
    """Turns what staff wrote into what the store is asked."""

    segments: FindsSegments

    async def resolve(
        self, channel: str, written: Any, *, at: str = _POINTER, segment_id: str | None = None
    ) -> Expression:
        """Read an expression and put the segments it names in their places.

        Args:
            channel: the account.
            written: parsed JSON.
            at: JSON pointer of it, for errors.
            segment_id: the segment it is to be written to, where it is: it must not lead back there.

        Raises:
            BadExpression: it is wrong, names what is not there, leads in a circle, or comes to too much.
        """
        expression = read_expression(written, channel, at=at)
        if not references(expression):
            return expression
        places = dict(_places(written, at))
        loaded = await self._load(channel, expression, places, at)
        if segment_id is not None:
            loaded[segment_id] = expression
        return _Joining(loaded, places, at).join(expression, (segment_id or at,))

    async def freeze(self, channel: str, written: Any, now: datetime, *, at: str = _POINTER) -> dict[str, Any]:
        """Return the JSON of an expression that means the same whatever becomes of segments and time.

        Raises:
            BadExpression: as `resolve`.
        """
        return write_expression(pinned(await self.resolve(channel, written, at=at), now))

    async def _load(
        self, channel: str, expression: Expression, places: Mapping[str, str], at: str
    ) -> dict[str, Expression]:
        loaded: dict[str, Expression] = {}
        wanted = references(expression)
        while wanted:
            found = await self.segments.of_channel(channel, wanted)
            if lacking := sorted(wanted - found.keys()):
                raise BadExpression([_error(places.get(name, at), f"there is no segment {name}") for name in lacking])
            loaded |= {name: read_expression(segment.written, channel, at=at) for name, segment in found.items()}
            if len(loaded) > MOST_SEGMENTS:
                raise BadExpression([_error(at, f"leads to more than {MOST_SEGMENTS} segments")])
            wanted = frozenset().union(*(references(each) for each in loaded.values())) - loaded.keys()
        return loaded


def frozen_filter(channel: str, frozen: Any) -> Document:
    """Return the filter of what `Audiences.freeze` returned."""
    # Nothing in it depends on when it is asked.
    return compile_filter(read_expression(frozen, channel, limits=RESOLVED), datetime.max.replace(tzinfo=UTC))


def _error(pointer: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail}


def _places(written: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield each named segment with the JSON pointer of where it is named, in an expression that was read."""
    if "field" in written:
        if written["field"] == "segment":
            yield written["is"], f"{at}/is"
        return
    [(operator, inner)] = written.items()
    if operator == "not":
        yield from _places(inner, f"{at}/not")
    else:
        for index, part in enumerate(inner):
            yield from _places(part, f"{at}/{operator}/{index}")


class _Size(NamedTuple):
    depth: int
    leaves: int
    contacts: int

    @property
    def fits(self) -> bool:
        return self.depth <= RESOLVED.depth and self.leaves <= RESOLVED.leaves and self.contacts <= RESOLVED.contacts


class _Joining:
    """One resolution: each segment is settled once, its size known before anything is put together."""

    def __init__(self, loaded: Mapping[str, Expression], places: Mapping[str, str], at: str) -> None:
        self._loaded = loaded
        self._places = places
        self._at = at
        self._settled: dict[str, Expression] = {}
        self._sizes: dict[str, _Size] = {}

    def join(self, expression: Expression, path: tuple[str, ...]) -> Expression:
        for name in sorted(references(expression)):
            self._settle(name, path)
        if not self._size(expression).fits:
            detail = (
                f"comes to more than {RESOLVED.leaves} conditions or {RESOLVED.contacts} contacts with its segments"
            )
            raise BadExpression([_error(self._at, detail)])
        return resolved(expression, self._settled)

    def _settle(self, segment: str, path: tuple[str, ...]) -> None:
        if segment in path:
            first = [*path, segment][1]
            circle = " → ".join([*path[path.index(segment) :], segment])
            raise BadExpression([_error(self._places.get(first, self._at), f"leads in a circle: {circle}")])
        if segment not in self._settled:
            self._settled[segment] = self.join(self._loaded[segment], (*path, segment))
            self._sizes[segment] = self._size(self._loaded[segment])

    def _size(self, expression: Expression) -> _Size:
        match expression:
            case AllOf(parts) | AnyOf(parts):
                sizes = [self._size(part) for part in parts]
                deepest = max((size.depth for size in sizes), default=0)
                return _Size(deepest + 1, sum(size.leaves for size in sizes) or 1, sum(size.contacts for size in sizes))
            case Not(part):
                size = self._size(part)
                return _Size(size.depth + 1, size.leaves, size.contacts)
            case InSegment(segment):
                return self._sizes[segment]
            case OneOf(contacts):
                return _Size(1, 1, len(contacts))
            case _:
                return _Size(1, 1, 0)
