"""Photos in their sender's order. Pure.

LINE tells of each photo on its own, in any order; `imageSet` {id, index, total} says which belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Photo = dict[str, Any]
"""One photo of a session: `id` (message), `set`, `index` and `total`, the last three null outside a set."""

MOST_KEPT = 50
"""Photos remembered a question; what comes beyond is only in the conversation."""


def read_photo(message_id: str, image_set: Mapping[str, Any] | None) -> Photo:
    """Return a photo as a session keeps it. LINE may leave `index` and `total` out."""
    told = image_set if isinstance(image_set, Mapping) else {}
    set_id = told.get("id")
    if not isinstance(set_id, str) or not set_id:
        return {"id": message_id, "set": None, "index": None, "total": None}
    return {"id": message_id, "set": set_id, "index": _count(told.get("index")), "total": _count(told.get("total"))}


def _count(value: object) -> int | None:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1000
    return value if right else None  # type: ignore[return-value]


def in_order(photos: Sequence[Photo]) -> list[str]:
    """Return the message ids: sets and single photos as they first arrived, a set's photos by index."""
    groups: dict[str, list[Photo]] = {}
    for photo in photos:
        groups.setdefault(photo["set"] or f"single {photo['id']}", []).append(photo)
    return [photo["id"] for group in groups.values() for photo in sorted(group, key=_place)]


def _place(photo: Photo) -> tuple[bool, int]:
    return photo["index"] is None, photo["index"] or 0


def all_whole(photos: Sequence[Photo]) -> bool:
    """Whether every set whose size LINE told has arrived whole."""
    sizes = {photo["set"]: photo["total"] for photo in photos if photo["total"] is not None}
    return all(sum(photo["set"] == each for photo in photos) >= size for each, size in sizes.items())
