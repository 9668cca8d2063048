"""What segments say of people, and what may be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from services.broadcast.people.model import Person
from services.broadcast.segments.filters import compile_filter
from services.broadcast.segments.model import AllOf, AnyOf, Expression, Not, matches, pinned
from services.broadcast.segments.reading import RESOLVED, BadExpression, Limits, read_expression
from services.broadcast.segments.writing import write_expression
from services.broadcast.tests.crowds import CHANNEL, CONTACTS, NOW, crowds, expressions

NOBODY = Person(CONTACTS[0], CHANNEL, "mbr_1", 1, NOW)
FRIEND = Person(
    CONTACTS[1],
    CHANNEL,
    "mbr_2",
    1,
    NOW,
    bound=True,
    tags=("gold", "vip"),
    source="flyer",
    following=True,
    followed_at=datetime(2026, 11, 15, 16, tzinfo=UTC),
    clicked_links=("cmp_a.1",),
    clicked_campaigns=("cmp_a",),
)
BLOCKER = Person(CONTACTS[2], CHANNEL, "mbr_3", 1, NOW, following=False, unfollowed_at=NOW - timedelta(days=1))
EVERYONE = (NOBODY, FRIEND, BLOCKER)


def found(written: Any) -> list[Person]:
    expression = read_expression(written, CHANNEL)
    return [person for person in EVERYONE if matches(expression, person, NOW)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"all": []}, [NOBODY, FRIEND, BLOCKER]),
        ({"field": "bound", "is": True}, [FRIEND]),
        ({"field": "bound", "is": False}, [NOBODY, BLOCKER]),
        ({"field": "following", "is": True}, [FRIEND]),
        ({"field": "following", "is": False}, [NOBODY, BLOCKER]),
        ({"field": "tags", "has": "VIP"}, [FRIEND]),
        ({"field": "tags", "has_any": ["tea", "ＧＯＬＤ"]}, [FRIEND]),
        ({"field": "tags", "has_all": ["tea", "gold"]}, []),
        ({"not": {"field": "tags", "has": "vip"}}, [NOBODY, BLOCKER]),
        ({"field": "source", "in": ["flyer", "window"]}, [FRIEND]),
        ({"field": "source", "missing": True}, [NOBODY, BLOCKER]),
        ({"not": {"field": "source", "in": ["window"]}}, [NOBODY, FRIEND, BLOCKER]),
        ({"field": "followed_at", "after": "2026-11-16T00:00:00+08:00"}, [FRIEND]),
        ({"field": "followed_at", "after": "2026-11-16T00:00:00.001+08:00"}, []),
        ({"field": "followed_at", "before": "2026-11-15T16:00:00Z"}, []),
        ({"field": "followed_at", "after": "2026-11-15T00:00:00Z", "before": "2026-11-15T16:00:01Z"}, [FRIEND]),
        ({"field": "followed_at", "within_days": 5}, [FRIEND]),
        ({"field": "followed_at", "within_days": 4}, []),
        ({"field": "unfollowed_at", "missing": True}, [NOBODY, FRIEND]),
        ({"field": "clicked", "campaign": "cmp_a"}, [FRIEND]),
        ({"not": {"field": "clicked", "campaign": "cmp_a"}}, [NOBODY, BLOCKER]),
        ({"field": "clicked", "link": "cmp_a.2"}, []),
        ({"field": "contact", "in": [CONTACTS[0], CONTACTS[2]]}, [NOBODY, BLOCKER]),
        (
            {
                "all": [
                    {"any": [{"field": "bound", "is": True}, {"field": "unfollowed_at", "within_days": 2}]},
                    {"not": {"field": "following", "is": True}},
                ]
            },
            [BLOCKER],
        ),
    ],
)
def test_a_condition_finds_whom_it_says(written: Any, expected: list[Person]) -> None:
    assert found(written) == expected


@pytest.mark.parametrize(
    ("written", "pointer"),
    [
        ("everyone", ""),
        ({}, ""),
        ({"any": []}, "/any"),
        ({"all": {}}, "/all"),
        ({"all": [], "any": []}, ""),
        ({"$where": "1"}, ""),
        ({"field": "$where", "is": True}, "/field"),
        ({"field": {"$ne": None}, "is": True}, "/field"),
        ({"field": "bound"}, ""),
        ({"field": "bound", "is": 1}, "/is"),
        ({"field": "bound", "is": {"$ne": True}}, "/is"),
        ({"field": "bound", "is": True, "$or": []}, ""),
        ({"field": "tags", "has": ["vip"]}, "/has"),
        ({"field": "tags", "has": " "}, "/has"),
        ({"field": "tags", "has": "a\x00b"}, "/has"),
        ({"field": "tags", "has": "x" * 65}, "/has"),
        ({"field": "tags", "has_any": []}, "/has_any"),
        ({"field": "tags", "has_any": "vip"}, "/has_any"),
        ({"field": "tags", "has_all": ["vip", {"$regex": "."}]}, "/has_all/1"),
        ({"field": "tags", "has_any": ["t"] * 101}, "/has_any"),
        ({"field": "source", "in": ["Flyer!"]}, "/in/0"),
        ({"field": "source", "missing": False}, "/missing"),
        ({"field": "followed_at", "after": "2026-11-01"}, "/after"),
        ({"field": "followed_at", "after": "2026-11-01T00:00:00"}, "/after"),
        ({"field": "followed_at", "after": "2026-02-30T00:00:00Z"}, "/after"),
        ({"field": "followed_at", "after": "0001-01-01T00:00:00+14:00"}, "/after"),
        ({"field": "followed_at", "after": "2026-11-02T00:00:00Z", "before": "2026-11-02T08:00:00+08:00"}, "/before"),
        ({"field": "followed_at", "within_days": 0}, "/within_days"),
        ({"field": "followed_at", "within_days": True}, "/within_days"),
        ({"field": "followed_at", "within_days": 7, "after": "2026-11-01T00:00:00Z"}, ""),
        ({"field": "clicked", "campaign": "cmp_a", "link": "x"}, ""),
        ({"field": "clicked", "campaign": "x"}, "/campaign"),
        ({"field": "segment", "is": "seg_$"}, "/is"),
        ({"field": "contact", "in": ["other:U" + 32 * "0"]}, "/in/0"),
        ({"field": "contact", "in": ["shop:C" + 32 * "0"]}, "/in/0"),
        ({"field": "contact", "in": [CONTACTS[0]] * 10_001}, "/in"),
        ({"not": {"all": [{"field": "bound", "is": True}, {"field": "name", "is": "Ann"}]}}, "/not/all/1/field"),
        ({"not": {"not": {"not": {"not": {"not": {"field": "bound", "is": True}}}}}}, "/not/not/not/not/not"),
        ({"all": [{"field": "bound", "is": True}] * 101}, "/all"),
        ({"all": [{"any": [{"field": "bound", "is": True}] * 51}] * 2}, ""),
        ({"all": [{"field": "contact", "in": [f"shop:U{number:032x}" for number in range(3000)]}] * 4}, ""),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(written: Any, pointer: str) -> None:
    with pytest.raises(BadExpression) as refused:
        read_expression(written, CHANNEL)
    assert [error["pointer"] for error in refused.value.errors] == [f"/expression{pointer}"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadExpression) as refused:
        read_expression({"all": [{"field": "bound"}, {"field": "x"}, {"field": "tags", "has": "ok"}, 3]}, CHANNEL)
    assert [error["pointer"] for error in refused.value.errors] == [
        "/expression/all/0",
        "/expression/all/1/field",
        "/expression/all/3",
    ]


def test_the_limits_are_those_of_five_levels_and_a_hundred_conditions() -> None:
    deep: Any = {"field": "bound", "is": True}
    for _ in range(4):
        deep = {"not": deep}
    assert read_expression(deep, CHANNEL)
    assert read_expression({"all": [{"field": "bound", "is": True}] * 100}, CHANNEL)
    assert Limits() == Limits(depth=5, leaves=100, contacts=10_000)


@given(expressions, crowds)
def test_a_double_negation_says_nothing_new(expression: Expression, crowd: list[Person]) -> None:
    for person in crowd:
        assert matches(Not(Not(expression)), person, NOW) is matches(expression, person, NOW)
    assert compile_filter(Not(Not(expression)), NOW) == compile_filter(expression, NOW)


@given(expressions, expressions, crowds)
def test_a_negation_goes_through_all_and_any(one: Expression, other: Expression, crowd: list[Person]) -> None:
    for person in crowd:
        neither = AnyOf((Not(one), Not(other)))
        assert matches(Not(AllOf((one, other))), person, NOW) is matches(neither, person, NOW)
        both = AllOf((Not(one), Not(other)))
        assert matches(Not(AnyOf((one, other))), person, NOW) is matches(both, person, NOW)


@given(expressions)
def test_what_is_written_reads_back(expression: Expression) -> None:
    assert read_expression(write_expression(expression), CHANNEL, limits=RESOLVED) == expression


@given(expressions, crowds)
def test_a_pinned_expression_means_the_same_a_year_later(expression: Expression, crowd: list[Person]) -> None:
    for person in crowd:
        later = matches(pinned(expression, NOW), person, NOW + timedelta(days=365))
        assert later is matches(expression, person, NOW)
