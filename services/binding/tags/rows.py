"""A CSV of tags, read line by line: what can be applied, and what is wrong where. Pure.

    customer_key,tag,action        or member, or contact, in place of customer_key; action is add (default) or remove
    C-1001,vip,
    C-1002,vip,remove

Columns of other names are passed over, so that the CSV that we write can be imported again.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from services.binding.tags.model import BadTag, normalise_tag
from services.binding.tags.store import IDENTITIES, Identity
from shared.spreadsheets import plain

MOST_BYTES = 1024 * 1024
MOST_ROWS = 10_000

Action = Literal["add", "remove"]


class BadFile(ValueError):
    """The text cannot be read as a CSV of tags at all; the text says why."""


class Row(NamedTuple):
    """A line that says something: which member, which tag, given or taken."""

    line: int
    who: str
    tag: str
    action: Action


class BadRow(NamedTuple):
    """A line that cannot be applied, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class TagFile:
    """What stands in the file."""

    identity: Identity
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]


class _Columns(NamedTuple):
    identity: Identity
    who: int
    tag: int
    action: int | None
    width: int


def read_file(body: bytes) -> TagFile:
    """Read a file; line numbers count from 1 and the header is one of them.

    Raises:
        BadFile: it is no UTF-8, has no header of ours, or too many rows.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise BadFile(f"the file is no UTF-8: see byte {error.start + 1}") from None
    lines = _lines(text)
    header = next(lines, None)
    if header is None or isinstance(header[1], str):
        raise BadFile("the file is empty, or its first line is no CSV")
    columns = _columns(header[1])
    rows: list[Row] = []
    bad: list[BadRow] = []
    for line, cells in lines:
        read = BadRow(line, cells) if isinstance(cells, str) else _row(line, cells, columns)
        if isinstance(read, Row):
            rows.append(read)
        else:
            bad.append(read)
        if len(rows) + len(bad) > MOST_ROWS:
            raise BadFile(f"a file has at most {MOST_ROWS} rows: cut it into several")
    return TagFile(columns.identity, tuple(rows), tuple(bad))


def _lines(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number of each row's first line and its cells, or what is wrong with it; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"is no CSV: {error}"
        else:
            if any(cell.strip() for cell in cells):
                yield line, cells


def _columns(header: list[str]) -> _Columns:
    names = [name.strip().casefold() for name in header]
    identity = next((name for name in IDENTITIES if name in names), None)
    if identity is None or "tag" not in names:
        raise BadFile("the first line must name the columns: one of member, contact, customer_key; tag; maybe action")
    if len(set(names)) != len(names):
        raise BadFile("the first line names a column twice")
    action = names.index("action") if "action" in names else None
    return _Columns(identity, names.index(identity), names.index("tag"), action, len(names))


def _row(line: int, cells: list[str], columns: _Columns) -> Row | BadRow:
    needed = max(columns.who, columns.tag) + 1
    if not needed <= len(cells) <= columns.width:
        return BadRow(line, f"has {len(cells)} columns, not {columns.width}")
    who = plain(cells[columns.who]).strip()
    if not who:
        return BadRow(line, f"names no {columns.identity}")
    given = columns.action is not None and len(cells) > columns.action
    action = (cells[columns.action or 0].strip().casefold() if given else "") or "add"
    if action not in get_args(Action):
        return BadRow(line, "the action must be add or remove")
    try:
        return Row(line, who, normalise_tag(plain(cells[columns.tag])), "remove" if action == "remove" else "add")
    except BadTag as error:
        return BadRow(line, str(error))
