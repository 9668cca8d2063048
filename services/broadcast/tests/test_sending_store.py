"""The ledger on the real store: written once, counted, looked up; every step of the sender for one caller only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.documents import BODIES, INDEXES, PEOPLE
from services.broadcast.sending.fixing import fix
from services.broadcast.sending.model import Chunk, NewChunk, People, Skip, Tally
from services.broadcast.sending.orders import Content
from services.broadcast.sending.queue import ChunkQueue, End
from shared.mongo import Database, ensure_indexes

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
UNTIL = NOON + timedelta(seconds=25)
LATER = UNTIL + timedelta(seconds=1)


def contacts(first: int, count: int) -> list[str]:
    return [f"shop:U{number:04d}" for number in range(first, first + count)]


class Ledger:
    """Both sides of the ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.chunks = Chunks(database)
        self.queue = ChunkQueue(database)

    async def frozen(self, chunks: int = 3, campaign: str = "cmp_1") -> None:
        """Freeze chunks of ten, of whom one is skipped."""
        for n in range(chunks):
            some = contacts(n * 10, 10)
            assert await self.chunks.add(NewChunk(campaign, "shop", n, some[1:], [Skip(some[0], "no_consent")]))

    async def get(self, n: int, campaign: str = "cmp_1") -> Chunk:
        chunk = await self.chunks.get(campaign, n)
        assert chunk is not None
        return chunk

    async def begin(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        people = await self.queue.people(chunks)
        content = Content([{"type": "text", "text": "hi"}])
        return await self.queue.begin([fix(chunk, people[chunk.id], {}, content) for chunk in chunks], NOON, UNTIL)

    async def end(self, chunk: Chunk, state: Literal["accepted", "rejected", "unknown"] = "accepted") -> bool:
        return await self.queue.end([End(chunk, state, NOON, [{"id": f"fact of {chunk.n}"}], "r1")])


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    await ensure_indexes(database, INDEXES)
    return Ledger(database)


async def test_a_chunk_is_added_once_and_stands_as_it_was(ledger: Ledger) -> None:
    first = NewChunk("cmp_1", "shop", 0, contacts(0, 3))
    other = NewChunk("cmp_1", "shop", 0, contacts(0, 4))
    added = await asyncio.gather(*(ledger.chunks.add(each) for each in (first, other, first)))
    assert sum(added) == 1
    chunk = await ledger.get(0)
    people = await ledger.chunks.people(chunk)
    assert len(people.recipients) == chunk.frozen
    assert await ledger.database[PEOPLE].count_documents({}) == 1


async def test_people_kept_as_an_array_are_read_too(ledger: Ledger) -> None:
    await ledger.frozen(1)
    chunk = await ledger.get(0)
    stored = {"recipients": contacts(1, 9), "skipped": []}
    await ledger.database[PEOPLE].update_one({"_id": chunk.people}, {"$set": stored})
    assert (await ledger.chunks.people(chunk)).recipients == tuple(contacts(1, 9))


async def test_the_next_chunk_begins_above_the_last_one(ledger: Ledger) -> None:
    assert await ledger.chunks.last_of("cmp_1") is None
    await ledger.frozen(3)
    await ledger.frozen(1, "cmp_2")
    last = await ledger.chunks.last_of("cmp_1")
    assert last is not None
    assert (last.n, last.last, last.frozen) == (2, "shop:U0029", 9)


async def test_a_chunk_without_anybody_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="at least one contact"):
        await ledger.chunks.add(NewChunk("cmp_1", "shop", 0, []))


async def test_chunks_and_people_are_counted_by_what_became_of_them(ledger: Ledger) -> None:
    await ledger.frozen(4)
    assert await ledger.chunks.counts("cmp_1") == Tally({"pending": 4}, {"pending": 36}, {"no_consent": 4})
    begun = await ledger.begin([await ledger.get(n) for n in (0, 1)])
    await ledger.end(begun[0])
    tally = await ledger.chunks.counts("cmp_1")
    assert tally.chunks == {"accepted": 1, "sending": 1, "pending": 2}
    assert tally.recipients == {"accepted": 9, "sending": 9, "pending": 18}
    assert tally.unended == 3
    assert await ledger.chunks.counts("cmp_9") == Tally({}, {}, {})


async def test_what_became_of_one_person_is_found(ledger: Ledger) -> None:
    await ledger.frozen(3)
    (begun,) = await ledger.begin([await ledger.get(1)])
    await ledger.end(begun)
    found = [await ledger.chunks.find_recipient("cmp_1", contact) for contact in ("shop:U0005", "shop:U0015")]
    assert [(fate.outcome, fate.chunk, fate.request_id) for fate in found if fate] == [
        ("pending", 0, None),
        ("accepted", 1, "r1"),
    ]
    skipped = await ledger.chunks.find_recipient("cmp_1", "shop:U0020")
    assert skipped is not None
    assert (skipped.outcome, skipped.reason) == ("skipped", "no_consent")
    for nobody in ("shop:T", "shop:U0015x", "shop:V"):
        assert await ledger.chunks.find_recipient("cmp_1", nobody) is None


@pytest.mark.parametrize("limit", [1, 7, 10, 100])
async def test_all_people_are_listed_in_order_page_by_page(ledger: Ledger, limit: int) -> None:
    await ledger.frozen(3)
    seen: list[str] = []
    while page := await ledger.chunks.recipients("cmp_1", seen[-1] if seen else None, limit):
        assert len(page) <= limit
        seen += [fate.contact for fate in page]
    assert seen == contacts(0, 30)


async def test_a_chunk_is_begun_by_one_of_several(ledger: Ledger) -> None:
    await ledger.frozen(5)
    chunks = await ledger.queue.pending("cmp_1", 10)
    assert [chunk.n for chunk in chunks] == [0, 1, 2, 3, 4]
    begun = [chunk for some in await asyncio.gather(*(ledger.begin(chunks) for _ in range(4))) for chunk in some]
    assert sorted(chunk.n for chunk in begun) == [0, 1, 2, 3, 4]
    for chunk in begun:
        stored = await ledger.get(chunk.n)
        assert stored.attempt is not None
        assert chunk.attempt is not None
        assert stored.attempt.claim == chunk.attempt.claim
        assert await ledger.queue.body(stored) == await ledger.queue.body(chunk)
    assert await ledger.queue.pending("cmp_1", 10) == []


async def test_a_claim_is_taken_over_by_one_and_only_after_its_time(ledger: Ledger) -> None:
    await ledger.frozen(1)
    (begun,) = await ledger.begin([await ledger.get(0)])
    assert await ledger.queue.overdue(["cmp_1"], NOON, 10) == []
    assert await ledger.queue.retake(begun, NOON, LATER) is None
    assert [chunk.id for chunk in await ledger.queue.overdue(["cmp_1"], LATER, 10)] == [begun.id]
    assert await ledger.queue.overdue(["cmp_2"], LATER, 10) == []
    taken = await asyncio.gather(*(ledger.queue.retake(begun, LATER, LATER + timedelta(1)) for _ in range(4)))
    (mine,) = [chunk for chunk in taken if chunk is not None]
    assert mine.attempt is not None
    assert begun.attempt is not None
    assert (mine.attempt.retry_key, mine.attempt.attempts) == (begun.attempt.retry_key, 2)
    assert await ledger.queue.body(mine) == await ledger.queue.body(begun)


async def test_who_lost_a_claim_cannot_give_the_chunk_back(ledger: Ledger) -> None:
    await ledger.frozen(1)
    (begun,) = await ledger.begin([await ledger.get(0)])
    taken = await ledger.queue.retake(begun, LATER, LATER + timedelta(1))
    await ledger.queue.back(begun, LATER)
    await ledger.queue.again(begun, NOON, doubted=False)
    await ledger.queue.drop(begun, Skip("shop:U0001", "invalid"), LATER)
    assert not await ledger.end(begun, "unknown")
    stored = await ledger.get(0)
    assert taken is not None
    assert taken.attempt is not None
    assert stored.attempt is not None
    assert (stored.state, stored.attempt.claim, stored.dropped) == ("sending", taken.attempt.claim, ())


async def test_lines_answer_counts_whoever_brings_it_and_once(ledger: Ledger) -> None:
    await ledger.frozen(1)
    (begun,) = await ledger.begin([await ledger.get(0)])
    taken = await ledger.queue.retake(begun, LATER, LATER + timedelta(1))
    assert taken is not None
    assert await ledger.end(begun)
    assert not await ledger.end(taken, "rejected")
    assert (await ledger.get(0)).state == "accepted"
    document = await ledger.chunks.collection.find_one({"_id": begun.id})
    assert document is not None
    assert [item["id"] for item in document["pending"]] == ["fact of 0"]
    assert "until" not in document


async def test_what_line_has_not_taken_is_pending_again(ledger: Ledger) -> None:
    await ledger.frozen(1)
    (begun,) = await ledger.begin([await ledger.get(0)])
    await ledger.queue.back(begun, NOON)
    stored = await ledger.get(0)
    assert (stored.state, stored.attempt, stored.until) == ("pending", None, None)


async def test_a_refused_recipient_is_dropped_and_the_chunk_gets_another_retry_key(ledger: Ledger) -> None:
    await ledger.frozen(1)
    (begun,) = await ledger.begin([await ledger.get(0)])
    await ledger.queue.drop(begun, Skip("shop:U0001", "invalid"), NOON)
    again = await ledger.get(0)
    assert (again.state, again.revision, again.skips) == ("pending", 1, {"no_consent": 1, "invalid": 1})
    (second,) = await ledger.begin([again])
    assert second.attempt is not None
    assert begun.attempt is not None
    assert second.attempt.retry_key != begun.attempt.retry_key
    assert second.attempt.recipients == 8
    assert not await ledger.end(begun, "rejected")
    assert (await ledger.chunks.counts("cmp_1")).recipients == {"sending": 8}


async def test_withdrawing_cancels_what_has_not_begun_and_lets_the_rest_end(ledger: Ledger) -> None:
    await ledger.frozen(4)
    ended, answered, unsure = await ledger.begin([await ledger.get(n) for n in (0, 1, 2)])
    await ledger.end(ended)
    for _ in range(2):
        await ledger.chunks.withdraw("cmp_1")
    await ledger.end(answered)
    await ledger.queue.back(unsure, NOON)
    assert (await ledger.chunks.counts("cmp_1")).chunks == {"accepted": 2, "sending": 1, "cancelled": 1}
    assert await ledger.queue.overdue(["cmp_1"], LATER, 10) == []
    (left,) = await ledger.queue.withdrawn(LATER, 10)
    assert left.attempt is not None
    assert not left.attempt.doubted
    await ledger.queue.cancel(left)
    assert (await ledger.chunks.counts("cmp_1")).chunks == {"accepted": 2, "cancelled": 2}


async def test_nobody_of_a_lost_race_leaves_bytes_that_could_be_sent(ledger: Ledger) -> None:
    await ledger.frozen(1)
    chunk = await ledger.get(0)
    people = (await ledger.queue.people([chunk]))[chunk.id]
    content = Content([{"type": "text", "text": "hi"}])
    fewer = People(people.recipients[:5])
    both = await asyncio.gather(
        *(ledger.queue.begin([fix(chunk, some, {}, content)], NOON, UNTIL) for some in (people, fewer))
    )
    (winner,) = [chunk for some in both for chunk in some]
    stored = await ledger.get(0)
    assert await ledger.queue.body(stored) == await ledger.queue.body(winner)
    assert await ledger.database[BODIES].count_documents({}) == 2
