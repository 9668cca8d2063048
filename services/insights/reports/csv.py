"""Reports as CSV: a row a bucket (or a bucket and kind, link, source), each with source and as-of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.insights.reports import model
from services.insights.reports.desk_model import Spans, TicketsItem
from shared.spreadsheets import BOM, csv_lines

_Row = dict[str, Any]
_NO_MESSAGE = model.KindCount(direction="in", chat="user", kind="text")
_NO_CLICK = model.LinkCount(link="")


def to_csv(report: model.Report[Any, Any]) -> bytes:
    """Return a report's items as CSV; a bucket in which nothing happened is a row of zeros."""
    rows = [row for item in report.items for row in _rows(item, report.sources)]
    header = list(rows[0]) if rows else []
    return (BOM + csv_lines([header, *([row[name] for name in header] for row in rows)])).encode()


def _rows(item: model.Model, sources: Mapping[str, model.Origin]) -> Iterator[_Row]:
    match item:
        case model.MessagesItem():
            for kind in item.kinds or [_NO_MESSAGE]:
                yield (
                    _when(item)
                    | dict(kind)
                    | origin_columns(["received" if kind.direction == "in" else "sent_calls"], sources)
                )
        case model.ClicksItem():
            for link in item.links or [_NO_CLICK]:
                yield _when(item) | dict(link) | origin_columns(["clicks"], sources)
        case model.SourcesItem():
            unknown = model.SourceCount(source="(unknown)", attributed=item.unknown)
            for entry in [*item.sources, unknown]:
                # The column `source` says where the numbers come from.
                counts = dict(entry)
                named = {"add_friend_source": counts.pop("source")} | counts
                yield _when(item) | named | origin_columns(["attributed", "source_hits"], sources)
        case TicketsItem():
            shown = {name: value for name, value in dict(item).items() if not isinstance(value, list | Spans)}
            yield shown | _flat(item) | origin_columns(["tickets_opened"], sources)
        case model.BucketItem():
            yield dict(item) | origin_columns([name for name in dict(item) if name in sources], sources)
        case _:
            yield dict(item)


def _flat(item: TicketsItem) -> _Row:
    """Return the durations of an item, each figure in a column of its own."""
    spans = {clock: value for clock, value in dict(item).items() if isinstance(value, Spans)}
    return {f"{clock}_{name}": value for clock, span in spans.items() for name, value in dict(span).items()}


def _when(item: model.BucketItem) -> _Row:
    return {"start": item.start, "label": item.label}


def origin_columns(measures: Sequence[str], sources: Mapping[str, model.Origin]) -> _Row:
    """Return the source and as-of columns: one source, or each of several with the numbers it gives."""
    by_source: dict[str, list[str]] = {}
    for name in measures:
        by_source.setdefault(sources[name].source, []).append(name)
    several = "; ".join(f"{source} ({', '.join(names)})" for source, names in by_source.items())
    return {
        "source": next(iter(by_source)) if len(by_source) == 1 else several,
        "as_of": model.newest_of({name: sources[name] for name in measures}),
    }
