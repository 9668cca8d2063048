"""The accept log: every outgoing call that LINE's stand-in accepted, in order. The oracle for "lost" and "twice"."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

MOST_RECIPIENTS = 20_000_000
"""Names kept over all entries, so that a million multicasts of 500 cannot fill memory."""


class Accept:
    """One accepted call."""

    __slots__ = (
        "api",
        "at",
        "channel",
        "delivered_to",
        "detail",
        "digest",
        "kinds",
        "reply_event_id",
        "request_id",
        "retry_key",
        "seq",
        "to",
    )

    def __init__(self, api: str, channel: str, request_id: str, at: float, to: tuple[str, ...]) -> None:
        self.seq = 0
        self.api = api
        self.channel = channel
        self.request_id = request_id
        self.at = at
        self.to = to
        self.delivered_to: tuple[str, ...] = ()
        self.retry_key: str | None = None
        self.reply_event_id: str | None = None
        self.digest: str | None = None
        self.kinds: tuple[str, ...] = ()
        self.detail: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """Return the entry as JSON; `at` in UNIX milliseconds."""
        return {
            "seq": self.seq,
            "at": int(self.at * 1000),
            "api": self.api,
            "channel": self.channel,
            "request_id": self.request_id,
            "retry_key": self.retry_key,
            "to": self.to,
            "delivered_to": self.delivered_to,
            "webhook_event_id": self.reply_event_id,
            "digest": self.digest,
            "kinds": self.kinds,
            "detail": self.detail,
        }


class _Repeats:
    """Counts keys and knows which stand more than once, without walking over them."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.repeated: set[str] = set()

    def add(self, key: str) -> None:
        self._counts[key] += 1
        if self._counts[key] == 2:
            self.repeated.add(key)

    def drop(self, key: str) -> None:
        self._counts[key] -= 1
        if self._counts[key] < 2:
            self.repeated.discard(key)
        if not self._counts[key]:
            del self._counts[key]

    def shown(self) -> dict[str, Any]:
        return {"count": len(self.repeated), "first": sorted(self.repeated)[:20]}


class AcceptLog:
    """The newest `size` entries; what fell out of it is counted in `dropped`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.clear()

    def clear(self) -> None:
        """Empty the log; sequence numbers start again at 1."""
        self._entries: deque[Accept] = deque()
        self._next = 1
        self._recipients = 0
        self._totals: dict[str, Counter[str]] = {}
        self._events = _Repeats()
        self._keys = _Repeats()
        self.dropped = 0

    def add(self, entry: Accept) -> None:
        """Append an entry and number it."""
        entry.seq = self._next
        self._next += 1
        self._entries.append(entry)
        self._recipients += len(entry.to)
        totals = self._totals.setdefault(entry.channel, Counter())
        totals[entry.api] += 1
        totals[f"{entry.api}.delivered"] += len(entry.delivered_to)
        if entry.reply_event_id:
            self._events.add(f"{entry.channel}:{entry.reply_event_id}")
        if entry.retry_key:
            self._keys.add(f"{entry.channel}:{entry.retry_key}")
        while len(self._entries) > self._size or self._recipients > MOST_RECIPIENTS:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        old = self._entries.popleft()
        self._recipients -= len(old.to)
        self.dropped += 1
        if old.reply_event_id:
            self._events.drop(f"{old.channel}:{old.reply_event_id}")
        if old.retry_key:
            self._keys.drop(f"{old.channel}:{old.retry_key}")

    def since(self, seq: int) -> Iterator[Accept]:
        """Yield the kept entries with a number above `seq`, in order."""
        oldest = self._next - len(self._entries)
        return islice(self._entries, max(0, seq + 1 - oldest), None)

    @property
    def last_seq(self) -> int:
        """The newest entry's number; 0 when nothing was accepted."""
        return self._next - 1

    def summary(self) -> dict[str, Any]:
        """Return counts per channel and API, and what stands twice among the kept entries."""
        apis: Counter[str] = Counter()
        for totals in self._totals.values():
            apis.update(totals)
        return {
            "last_seq": self.last_seq,
            "kept": len(self._entries),
            "dropped": self.dropped,
            "by_api": dict(apis),
            "by_channel": {slug: dict(totals) for slug, totals in self._totals.items()},
            "replies_per_event_above_one": self._events.shown(),
            "accepts_per_retry_key_above_one": self._keys.shown(),
        }

    def repeats(self, channel: str | None = None) -> list[dict[str, Any]]:
        """Return the (user, API, content) combinations accepted and delivered more than once, most repeated first."""
        seen: Counter[tuple[str, str, str, str]] = Counter()
        for entry in self._entries:
            if entry.digest and (channel is None or entry.channel == channel):
                seen.update((entry.channel, entry.api, user, entry.digest) for user in entry.delivered_to)
        return [
            {"channel": slug, "api": api, "user": user, "digest": digest, "count": count}
            for (slug, api, user, digest), count in seen.most_common(200)
            if count > 1
        ]
