"""Only the contiguous finished prefix of a partition is committed, in whatever order records finish (design §5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.consumer.progress import Progress
from shared.consumer.records import Coordinates, Record

START = datetime(2026, 8, 1, tzinfo=UTC)
OFFSETS = st.lists(st.integers(0, 200), min_size=1, max_size=30, unique=True).map(sorted)
"""Offsets as a partition has them: rising, with gaps where records were compacted away."""


def record(offset: int) -> Record:
    at = Coordinates("topic", 0, offset)
    return Record(at, None, bytes(offset), (), START + timedelta(seconds=offset), at)


def taken(offsets: list[int]) -> Progress:
    progress = Progress()
    assert all(progress.take(record(offset)) for offset in offsets)
    return progress


@given(OFFSETS, st.data())
def test_the_position_is_after_the_longest_finished_prefix(offsets: list[int], data: st.DataObject) -> None:
    progress = taken(offsets)
    finished: set[int] = set()
    for offset in data.draw(st.permutations(offsets)):
        progress.finish(offset)
        finished.add(offset)
        open_ones = [other for other in offsets if other not in finished]
        prefix = [other for other in offsets if not open_ones or other < open_ones[0]]

        assert progress.position == (prefix[-1] + 1 if prefix else None)
        assert progress.unfinished == len(open_ones)
        assert progress.unfinished_bytes == sum(open_ones)
        assert progress.oldest == (START + timedelta(seconds=open_ones[0]) if open_ones else None)
        assert progress.span == (offsets[-1] - open_ones[0] + 1 if open_ones else 0)


@given(OFFSETS, st.data())
def test_a_commit_never_goes_past_an_unfinished_record_nor_back(offsets: list[int], data: st.DataObject) -> None:
    progress = taken(offsets)
    committed = -1
    open_ones = set(offsets)
    for offset in data.draw(st.permutations(offsets)):
        progress.finish(offset)
        open_ones.discard(offset)
        if data.draw(st.booleans()) and (to_commit := progress.to_commit) is not None:
            assert to_commit > committed
            assert all(other >= to_commit for other in open_ones)
            progress.committed(to_commit)
            committed = to_commit
            assert progress.to_commit is None


@given(OFFSETS, st.integers(0, 200))
def test_a_record_is_taken_once(offsets: list[int], again: int) -> None:
    progress = taken(offsets)

    assert progress.take(record(again)) == (again > offsets[-1])


def test_nothing_finished_is_nothing_to_commit() -> None:
    progress = taken([5, 6])
    assert (progress.to_commit, progress.position, progress.unfinished, progress.span) == (None, None, 2, 2)

    progress.finish(6)
    assert (progress.to_commit, progress.position) == (None, None)
    progress.finish(5)
    assert progress.to_commit == 7
