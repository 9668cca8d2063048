"""What MongoDB's filters and changes mean, as far as the stores under simulation use them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

Document = dict[str, Any]


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def clone(value: Any) -> Any:
    """Copy a document: what one side changes, the other must not see."""
    if isinstance(value, dict):
        return {name: clone(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [clone(inner) for inner in value]
    return value


def _found(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    if not steps:
        yield value
    elif isinstance(value, dict):
        if steps[0] in value:
            yield from _found(value[steps[0]], steps[1:])
    elif isinstance(value, list):
        if steps[0].isdigit():
            if int(steps[0]) < len(value):
                yield from _found(value[int(steps[0])], steps[1:])
        else:
            for inner in value:
                yield from _found(inner, steps)


def _holds(operator: str, wanted: Any, found: Sequence[Any]) -> bool:
    match operator:
        case "$lt":
            return any(value is not None and value < wanted for value in found)
        case "$in":
            return any(_equal(value, one) for value in found for one in wanted)
        case "$size":
            return any(isinstance(value, list) and len(value) == wanted for value in found)
        case "$exists":
            return bool(found) is bool(wanted)
        case "$elemMatch":
            return any(matches(one, wanted) for value in found if isinstance(value, list) for one in value)
        case _:
            raise NotImplementedError(operator)


def _equal(value: Any, wanted: Any) -> bool:
    return bool(value == wanted or (isinstance(value, list) and not isinstance(wanted, list) and wanted in value))


def matches(document: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether a filter takes a document."""
    for path, wanted in where.items():
        if path == "$or":
            if not any(matches(document, one) for one in wanted):
                return False
            continue
        found = [document[path]] if path in document else list(_found(document, _steps(path)))
        if isinstance(wanted, dict) and next(iter(wanted), "").startswith("$"):
            if not all(_holds(operator, value, found) for operator, value in wanted.items()):
                return False
        elif wanted is None:
            if found and None not in found:
                return False
        elif not any(_equal(value, wanted) for value in found):
            return False
    return True


def _parent(document: Document, path: str) -> tuple[Document, str]:
    *way, last = _steps(path)
    place = document
    for step in way:
        place = place.setdefault(step, {})
    return place, last


def _set(document: Document, path: str, value: Any, array_filters: Sequence[Mapping[str, Any]]) -> None:
    before, marker, after = path.partition(".$[item]")
    if not marker:
        place, last = _parent(document, path)
        place[last] = clone(value)
        return
    place, last = _parent(document, before)
    chosen = {name.removeprefix("item."): wanted for name, wanted in array_filters[0].items()}
    for index, element in enumerate(place[last]):
        if matches(element, chosen):
            if after:
                element[after[1:]] = clone(value)
            else:
                place[last][index] = clone(value)


def change(
    document: Document,
    changes: Mapping[str, Any],
    array_filters: Sequence[Mapping[str, Any]] = (),
    *,
    new: bool = False,
) -> None:
    """Change a document in place."""
    for operator, fields in changes.items():
        for path, value in fields.items():
            if operator == "$set" or (operator == "$setOnInsert" and new):
                _set(document, path, value, array_filters)
                continue
            place, last = _parent(document, path)
            match operator:
                case "$setOnInsert":
                    pass
                case "$unset":
                    place.pop(last, None)
                case "$inc":
                    place[last] = place.get(last, 0) + value
                case "$max":
                    place[last] = max(place.get(last, value), value)
                case "$push":
                    place.setdefault(last, []).extend(
                        clone(value["$each"] if isinstance(value, dict) and "$each" in value else [value])
                    )
                case "$pull":
                    place[last] = [one for one in place.get(last, []) if not matches(one, value)]
                case _:
                    raise NotImplementedError(operator)
