"""Where a sender works, for which account, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

SLUG = "bench"
HELLO = [{"type": "text", "text": "週末咖啡買一送一,出示此訊息即可。\nhttps://example.com/r/abcdef"}]


@dataclass(frozen=True)
class Place:
    """Where a sender works."""

    mongo_url: str
    kafka_url: str
    line_url: str
    database: str
    channels_file: str
