"""Which rule answers: words, audience, hours."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from services.ticketing.autoreplies.model import DAYS, Day, Rule, Window, compared, help_text, index

TAIPEI = ZoneInfo("Asia/Taipei")
WORKDAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
OFFICE = (Window(WORKDAYS, time(9), time(12)), Window(WORKDAYS, time(13), time(18)))
NIGHT = (Window(("fri",), time(22), time(6)),)


def local(text: str) -> datetime:
    """A moment in Taipei; 2 November 2026 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=TAIPEI)


NOON = local("2026-11-02T11:00")


def rule(name: str, *keywords: str, **more: object) -> Rule:
    return Rule("cafe", name, keywords or ("offer",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-02T08:59:59", False),
        ("2026-11-02T09:00", True),
        ("2026-11-02T11:59:59", True),
        ("2026-11-02T12:00", False),
        ("2026-11-02T13:00", True),
        ("2026-11-02T18:00", False),
        ("2026-11-07T10:00", False),
    ],
)
def test_several_windows_a_day_hold_their_start_and_not_their_end(moment: str, inside: bool) -> None:
    assert any(window.holds(local(moment)) for window in OFFICE) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-06T21:59", False),
        ("2026-11-06T22:00", True),
        ("2026-11-07T05:59", True),
        ("2026-11-07T06:00", False),
        ("2026-11-07T22:00", False),
        ("2026-11-06T05:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_begins(moment: str, inside: bool) -> None:
    assert NIGHT[0].holds(local(moment)) is inside


@pytest.mark.parametrize(("start", "end"), [(time(0), time(0)), (time(9), time(9))])
def test_a_window_that_ends_where_it_begins_lasts_a_day(start: time, end: time) -> None:
    window = Window(DAYS, start, end)
    assert all(window.holds(local(f"2026-11-02T{hour:02}:30")) for hour in range(24))


def test_four_rules_on_one_keyword_give_four_texts() -> None:
    four = [
        rule(f"{when}-{audience}", when=when, audience=audience, windows=OFFICE)
        for when in ("inside", "outside")
        for audience in ("bound", "unbound")
    ]
    rules = index(four)
    found = {
        (moment, bound): rules.match("Offer", local(moment), bound=bound)
        for moment in ("2026-11-02T10:00", "2026-11-02T20:00")
        for bound in (True, False)
    }
    assert {key: rule.name for key, rule in found.items() if rule} == {
        ("2026-11-02T10:00", True): "inside-bound",
        ("2026-11-02T10:00", False): "inside-unbound",
        ("2026-11-02T20:00", True): "outside-bound",
        ("2026-11-02T20:00", False): "outside-unbound",
    }


@pytest.mark.parametrize("text", ["offer", "OFFER", "  Offer\n", "ｏｆｆｅｒ"])
def test_width_case_and_outer_blanks_do_not_count(text: str) -> None:
    assert index([rule("a", " Offer ")]).match(text, NOON, bound=False) is not None


@pytest.mark.parametrize("text", ["", "offers", "the offer", "of fer"])
def test_only_the_whole_text_is_a_keyword(text: str) -> None:
    assert index([rule("a")]).match(text, NOON, bound=False) is None


def test_the_lowest_priority_number_answers_then_the_name() -> None:
    rules = index([rule("c", priority=5), rule("b"), rule("a"), rule("z", priority=1, audience="bound")])
    assert [found.name for found in rules.by_keyword["offer"]] == ["z", "c", "a", "b"]
    match = rules.match("offer", NOON, bound=False)
    assert match is not None
    assert match.name == "c"


def test_help_lists_every_keyword_once_unless_a_rule_has_taken_the_word() -> None:
    rules = index([rule("a", "Offer", "營業時間"), rule("b", "OFFER")])
    assert all(rules.asks_for_help(text) for text in ("help", " HELP ", "說明", "ヘルプ"))
    assert help_text(rules, "en").splitlines()[1:] == ["・Offer", "・營業時間"]
    assert help_text(rules, "zh-TW") != help_text(rules, "ja")
    assert not index([rule("a", "Help")]).asks_for_help("help")
    assert not index([]).asks_for_help("help")


@pytest.mark.parametrize("text", ["Straße", "ﬁne", "İ", "ﾃﾞ"])
def test_the_compared_form_is_its_own_compared_form(text: str) -> None:
    assert compared(compared(text)) == compared(text)
