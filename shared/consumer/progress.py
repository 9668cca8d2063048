"""What of a partition is taken, finished and may be committed: pure, so that it can be tested without Kafka."""

from __future__ import annotations

from collections import deque
from datetime import datetime

from shared.consumer.records import Record


class Progress:
    """Only the contiguous finished prefix of a partition is committed (design §5)."""

    def __init__(self) -> None:
        self._taken: deque[tuple[int, datetime]] = deque()
        self._finished: set[int] = set()
        self._sizes: dict[int, int] = {}
        self._bytes = 0
        self._position: int | None = None
        self._committed: int | None = None
        self._last = -1

    def take(self, record: Record) -> bool:
        """Note that a record was taken; False for one taken before (a fetch repeated after a seek)."""
        if record.at.offset <= self._last:
            return False
        self._last = record.at.offset
        self._taken.append((record.at.offset, record.written_at))
        self._sizes[record.at.offset] = size = len(record.value or b"")
        self._bytes += size
        return True

    def finish(self, offset: int) -> None:
        """Note that a taken record is finished, in whatever order."""
        self._finished.add(offset)
        self._bytes -= self._sizes.pop(offset, 0)
        while self._taken and self._taken[0][0] in self._finished:
            done, _ = self._taken.popleft()
            self._finished.remove(done)
            self._position = done + 1

    @property
    def to_commit(self) -> int | None:
        """The offset to commit (of the next record to read), or None where nothing new is finished."""
        return None if self._position == self._committed else self._position

    @property
    def resumes_at(self) -> int | None:
        """Where the next owner would read on, or None before anything is taken."""
        return self._taken[0][0] if self._position is None and self._taken else self._position

    @property
    def position(self) -> int | None:
        """The offset after the contiguous finished prefix, or None before the first record is finished."""
        return self._position

    def committed(self, offset: int) -> None:
        """Note what the broker accepted."""
        self._committed = offset

    @property
    def unfinished(self) -> int:
        """How many taken records are not finished."""
        return len(self._taken) - len(self._finished)

    @property
    def unfinished_bytes(self) -> int:
        """What the values of the unfinished records hold."""
        return self._bytes

    @property
    def span(self) -> int:
        """How far the newest taken record is past the oldest unfinished one, in offsets."""
        return self._last - self._taken[0][0] + 1 if self._taken else 0

    @property
    def oldest(self) -> datetime | None:
        """When the oldest unfinished record was written."""
        return self._taken[0][1] if self._taken else None
