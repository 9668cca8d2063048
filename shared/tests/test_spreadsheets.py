"""Texts of strangers in a spreadsheet: shown, never run."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.spreadsheets import cell, csv_lines, plain


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x")'])
def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "shown"), [(-5, -5), (0.5, 0.5), (None, ""), ("menu", "menu"), ("", "")])
def test_numbers_and_plain_texts_stay_as_they_are(value: object, shown: object) -> None:
    assert cell(value) == shown


@given(st.text())
def test_a_text_comes_back_as_it_was(text: str) -> None:
    if not text.startswith("'"):
        assert plain(str(cell(text))) == text


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2), max_size=5))
def test_rows_are_read_back_by_anything_that_reads_csv(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(csv_lines(rows), newline="")))

    assert [[plain(text) for text in row] for row in read] == [[plain(str(cell(text))) for text in row] for row in rows]
