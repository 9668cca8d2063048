"""Segments of segments: found, put in their places, never in circles, never too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from services.broadcast.segments.model import InSegment, Segment, leaves
from services.broadcast.segments.reading import BadExpression, read_expression
from services.broadcast.segments.resolving import Audiences, frozen_filter
from services.broadcast.segments.writing import write_expression
from services.broadcast.tests.crowds import CHANNEL, CONTACTS, NOW

BOUND = {"field": "bound", "is": True}
VIP = {"field": "tags", "has": "vip"}


def named(segment_id: str) -> dict[str, str]:
    return {"field": "segment", "is": segment_id}


class Shelf:
    """Segments in memory."""

    def __init__(self, segments: Mapping[str, Any]) -> None:
        self._segments = {
            name: Segment(name, CHANNEL, name, written, NOW, "ann", NOW, "ann") for name, written in segments.items()
        }

    async def of_channel(self, channel: str, ids: frozenset[str]) -> Mapping[str, Segment]:
        found = {name: self._segments[name] for name in ids if name in self._segments}
        return {name: segment for name, segment in found.items() if segment.channel == channel}


async def refused(segments: Mapping[str, Any], written: Any, segment_id: str | None = None) -> dict[str, str]:
    with pytest.raises(BadExpression) as error:
        await Audiences(Shelf(segments)).resolve(CHANNEL, written, segment_id=segment_id)
    [told] = error.value.errors
    return told


async def test_a_segment_stands_for_its_expression_at_any_depth() -> None:
    shelf = Shelf({"seg_a": {"all": [named("seg_b"), VIP]}, "seg_b": {"not": named("seg_c")}, "seg_c": BOUND})
    resolved = await Audiences(shelf).resolve(CHANNEL, {"any": [named("seg_a"), named("seg_b")]})
    expected = {"any": [{"all": [{"not": BOUND}, VIP]}, {"not": BOUND}]}
    assert resolved == read_expression(expected, CHANNEL)
    assert not any(isinstance(leaf, InSegment) for leaf in leaves(resolved))


async def test_a_segment_that_is_not_there_is_named_where_it_stands() -> None:
    told = await refused({}, {"all": [BOUND, {"not": named("seg_gone")}]})
    assert told == {"pointer": "/expression/all/1/not/is", "detail": "there is no segment seg_gone"}


async def test_another_account_s_segment_is_not_there() -> None:
    with pytest.raises(BadExpression, match="there is no segment seg_a"):
        await Audiences(Shelf({"seg_a": BOUND})).resolve("other", named("seg_a"))


@pytest.mark.parametrize(
    ("segments", "written", "pointer"),
    [
        ({"seg_a": BOUND}, named("seg_a"), "/expression/is"),
        ({"seg_a": BOUND, "seg_b": named("seg_a")}, {"all": [VIP, named("seg_b")]}, "/expression/all/1/is"),
    ],
)
async def test_a_segment_must_not_lead_back_to_itself(segments: dict[str, Any], written: Any, pointer: str) -> None:
    told = await refused(segments, written, segment_id="seg_a")
    assert told["pointer"] == pointer
    assert "circle: seg_a" in told["detail"]


async def test_a_circle_that_two_edits_at_once_made_is_found_when_it_is_used() -> None:
    told = await refused({"seg_a": named("seg_b"), "seg_b": named("seg_a")}, {"not": named("seg_b")})
    assert told == {"pointer": "/expression/not/is", "detail": "leads in a circle: seg_b → seg_a → seg_b"}


async def test_a_segment_named_twice_is_no_circle() -> None:
    shelf = Shelf({"seg_a": named("seg_c"), "seg_b": named("seg_c"), "seg_c": BOUND})
    assert await Audiences(shelf).resolve(CHANNEL, {"all": [named("seg_a"), named("seg_b")]})


async def test_segments_that_multiply_are_refused_before_they_are_put_together() -> None:
    segments: dict[str, Any] = {"seg_0": {"any": [VIP] * 100}}
    for step in range(1, 20):
        segments[f"seg_{step}"] = {"any": [named(f"seg_{step - 1}")] * 100}
    assert "1000 conditions" in (await refused(segments, named("seg_19")))["detail"]


async def test_at_most_fifty_segments_may_be_led_to() -> None:
    segments = {f"seg_{step}": BOUND for step in range(51)}
    assert "50 segments" in (await refused(segments, {"any": [named(name) for name in segments]}))["detail"]


async def test_what_is_frozen_needs_neither_segments_nor_the_time() -> None:
    recent = {"field": "followed_at", "within_days": 7}
    shelf = Shelf({"seg_a": {"all": [recent, {"field": "contact", "in": [CONTACTS[0]]}]}})
    frozen = await Audiences(shelf).freeze(CHANNEL, {"not": named("seg_a")}, NOW)
    assert frozen == {
        "not": {
            "all": [
                {"field": "followed_at", "after": "2026-11-13T04:00:00.000Z"},
                {"field": "contact", "in": [CONTACTS[0]]},
            ]
        }
    }
    parts = [{"followed_at": {"$gte": NOW.replace(day=13)}}, {"_id": {"$in": [CONTACTS[0]]}}]
    assert frozen_filter(CHANNEL, frozen) == {"$nor": [{"$and": parts}]}
    assert write_expression(await Audiences(shelf).resolve(CHANNEL, frozen)) == frozen
