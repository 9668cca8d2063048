"""CSV that people open in a spreadsheet: UTF-8 with BOM, CRLF, and no text that it would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

CSV_TYPE = "text/csv; charset=utf-8"
BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as lines of CSV, without the BOM."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: object) -> object:
    """Return what stands in a cell: nothing for null, RFC 3339 for times, texts made harmless."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def plain(text: str) -> str:
    """Return what a cell of our own CSV stood for: the inverse of what `cell` does to a text."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
