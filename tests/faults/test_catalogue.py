"""The catalogue names only what is there, and every fault is shown or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.__main__ import SCENARIOS
from tests.faults.catalogue import CASES, TESTS

ROOT = Path(__file__).parents[2]


def test_it_has_all_forty() -> None:
    assert [case.number for case in CASES] == list(range(1, 41))


def test_each_is_shown_or_says_why_not() -> None:
    assert [case.number for case in CASES if not (case.scenarios or case.tests or case.missing)] == []


@pytest.mark.parametrize("test", TESTS)
def test_every_test_it_names_is_there(test: str) -> None:
    path, _, name = test.partition("::")
    assert re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8"))


def test_every_scenario_it_names_is_there_and_it_names_all_but_the_mix() -> None:
    assert {name for case in CASES for name in case.scenarios} == {each.name for each in SCENARIOS} - {"accounts"}
