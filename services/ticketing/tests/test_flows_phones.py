"""Phone numbers: many ways to write one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticketing.flows.phones import Country, normalise_phone

ALL: tuple[Country, ...] = ("TW", "JP", "TH")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0912345678", "+886912345678"),
        ("+886912345678", "+886912345678"),
        ("+886 912-345-678", "+886912345678"),
        ("+886 (0)912 345 678", "+886912345678"),
        ("+8860912345678", "+886912345678"),
        ("00886912345678", "+886912345678"),
        ("０９１２－３４５－６７８", "+886912345678"),
        ("(02) 2345-6789", "+886223456789"),
        ("090-1234-5678", "+819012345678"),
        ("+81 90 1234 5678", "+819012345678"),
        ("+66 81 234 5678", "+66812345678"),
        ("+14155550123", "+14155550123"),
    ],
)
def test_forms_of_a_number_are_one(typed: str, number: str) -> None:
    assert normalise_phone(typed, ALL) == number


@pytest.mark.parametrize(
    "typed", ["", "12", "hello", "091234567", "09123456789", "+886812", "0000000000", "+", "+0912345678", "9" * 41, "-"]
)
def test_what_is_no_number_is_none(typed: str) -> None:
    assert normalise_phone(typed, ALL) is None


def test_home_forms_are_those_of_the_countries_asked_for() -> None:
    assert normalise_phone("0812345678", ("TH",)) == "+66812345678"
    assert normalise_phone("0812345678", ("JP",)) == "+81812345678"
    assert normalise_phone("0912345678", ("JP",)) == "+81912345678"
    assert normalise_phone("09012345678", ("TW",)) is None


@given(st.text(max_size=60))
def test_a_normal_form_stays_as_it_is(typed: str) -> None:
    number = normalise_phone(typed, ALL)
    assert number is None or normalise_phone(number, ()) == number
