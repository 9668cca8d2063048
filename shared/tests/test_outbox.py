"""The outbox on the real store: order, repeats after a crash, the relay, several dispatchers at once (design §5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from shared.events import MemberUnfollowed
from shared.mongo import Collection, Database, Document, ensure_indexes
from shared.outbox import Courier, Outbox, OutboxMetrics, outbox_indexes, publication, tombstone
from shared.producer import BrokerUnavailable, Producer, Record
from shared.testing.waiting import eventually
from shared.topics import MEMBER_EVENTS, MEMBER_STATE

pytestmark = pytest.mark.integration

AT = datetime(2026, 8, 1, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
OLD = timedelta(seconds=5)


class Broker:
    """Stands in for the producer: takes what is sent, or fails as it is told, before or after taking it."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.records: list[Record] = []
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None
        self.slow = False

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Take records."""
        if self.slow:
            await asyncio.sleep(random.uniform(0, 0.003))
        if self.before is not None:
            self.before()
        self.records += records
        self.values += [record.value for record in records]
        if self.after is not None:
            self.after()

    @property
    def numbers(self) -> list[int]:
        """The numbers of the items that were published."""
        return [int((value or b"").decode()) for value in self.values]

    @property
    def first_seen(self) -> list[int]:
        """The numbers without repeats, in the order of their first time."""
        return list(dict.fromkeys(self.numbers))


def item(number: int) -> Document:
    return {"id": f"i{number}", "do": "publish", "topic": MEMBER_EVENTS, "key": "mbr_1", "value": str(number)}


def errand(number: int) -> Document:
    return {"id": f"e{number}", "do": "errand", "number": number}


class Shelf:
    """A collection of documents with pending items, and its outbox."""

    def __init__(self, database: Database) -> None:
        self.documents: Collection = database["things"]
        self.broker = Broker()
        self.now = LATER
        self.delivered: list[int] = []
        self.outbox = self.another()

    def another(self, courier: Courier | None = None) -> Outbox:
        """Return an outbox of the same collection, as another process has it."""
        sender = cast(Producer, self.broker)
        metrics = OutboxMetrics(CollectorRegistry())
        return Outbox(self.documents, sender, courier or self.deliver, metrics, lambda: self.now)

    async def deliver(self, document_id: str, errand: Document) -> bool:
        """A courier that delivers at once."""
        self.delivered.append(errand["number"])
        await self.outbox.remove(document_id, [errand["id"]])
        return True

    async def put(self, *items: Document, document_id: str = "one", at: datetime = AT) -> None:
        """Push items, as the write of an effect does."""
        change = {"$push": {"pending": {"$each": list(items)}}, "$set": {"pending_since": at}}
        await self.documents.update_one({"_id": document_id}, change, upsert=True)

    async def left(self, document_id: str = "one") -> list[str]:
        """Return the ids of what still waits."""
        document = await self.documents.find_one({"_id": document_id}) or {}
        assert ("pending_since" in document) == bool(document["pending"])
        return [entry["id"] for entry in document["pending"]]


@pytest.fixture
async def shelf(database: Database) -> Shelf:
    await ensure_indexes(database, outbox_indexes("things"))
    return Shelf(database)


async def test_many_documents_leave_at_once_but_for_those_that_have_grown(shelf: Shelf) -> None:
    await shelf.put(item(1), item(2), document_id="a")
    await shelf.put(item(3), document_id="b")
    await shelf.put(item(4), document_id="b")
    await shelf.outbox.dispatch_all({"b": [item(3)], "a": [item(1), item(2)]})
    assert shelf.broker.numbers == [3, 1, 2]
    assert (await shelf.left("a"), await shelf.left("b")) == ([], ["i3", "i4"])
    await shelf.outbox.relay_once(OLD)
    assert await shelf.left("b") == []
    assert shelf.broker.first_seen == [3, 1, 2, 4]


async def test_items_leave_in_order_and_are_taken_off(shelf: Shelf) -> None:
    await shelf.put(item(1), item(2))
    await shelf.put(item(3))

    await shelf.outbox.dispatch("one")

    assert shelf.broker.numbers == [1, 2, 3]
    assert await shelf.left() == []


async def test_what_the_caller_has_just_written_is_not_read_again(shelf: Shelf) -> None:
    await shelf.put(item(1), item(2))

    await shelf.outbox.dispatch("one", [item(1), item(2)])

    assert shelf.broker.numbers == [1, 2]
    assert await shelf.left() == []


async def test_what_was_added_meanwhile_leaves_too_and_in_order(shelf: Shelf) -> None:
    await shelf.put(item(1), item(2), item(3))

    await shelf.outbox.dispatch("one", [item(1), item(2)])

    assert shelf.broker.first_seen == [1, 2, 3]
    assert await shelf.left() == []


async def test_publications_do_not_wait_for_what_goes_elsewhere(shelf: Shelf) -> None:
    async def busy(_: str, __: Document) -> bool:
        return False

    await shelf.put(errand(1), item(2), errand(3), item(4))

    await shelf.another(busy).dispatch("one")
    assert shelf.broker.numbers == [2, 4]
    assert await shelf.left() == ["e1", "e3"]

    await shelf.outbox.dispatch("one")
    assert shelf.delivered == [1, 3]
    assert await shelf.left() == []


async def test_a_fact_carries_its_id_and_a_tombstone_no_value(shelf: Shelf) -> None:
    fact = MemberUnfollowed(id="mev_1", channel="shop", occurred_at=AT, member="mbr_1")
    await shelf.put(publication(MEMBER_EVENTS, "mbr_1", fact, fact.id), tombstone(MEMBER_STATE, "mbr_1", "gone"))

    await shelf.outbox.dispatch("one")

    told, gone = shelf.broker.records
    assert (told.topic, told.key, told.headers) == (MEMBER_EVENTS, b"mbr_1", (("event-id", b"mev_1"),))
    assert MemberUnfollowed.model_validate_json(told.value or b"") == fact
    assert (gone.topic, gone.key, gone.value) == (MEMBER_STATE, b"mbr_1", None)


async def test_while_the_broker_is_away_everything_stays(shelf: Shelf) -> None:
    def away() -> None:
        raise BrokerUnavailable("away")

    shelf.broker.before = away
    await shelf.put(item(1), errand(2))

    with pytest.raises(BrokerUnavailable):
        await shelf.outbox.dispatch("one")
    assert await shelf.left() == ["i1", "e2"]

    shelf.broker.before = None
    assert await shelf.outbox.relay_once(OLD) == 1
    assert (shelf.broker.numbers, shelf.delivered) == ([1], [2])
    assert await shelf.left() == []


async def test_a_crash_between_publishing_and_taking_off_repeats_under_the_same_ids(shelf: Shelf) -> None:
    class Killed(BaseException):
        pass

    def killed() -> None:
        shelf.broker.after = None
        raise Killed

    shelf.broker.after = killed
    await shelf.put(item(1), item(2))
    with pytest.raises(Killed):
        await shelf.outbox.dispatch("one")
    assert await shelf.left() == ["i1", "i2"]

    await shelf.another().relay_once(OLD)

    assert shelf.broker.numbers == [1, 2, 1, 2]
    assert await shelf.left() == []


async def test_the_relay_leaves_alone_what_is_fresh(shelf: Shelf) -> None:
    await shelf.put(item(1), at=LATER - timedelta(seconds=4))

    assert await shelf.outbox.relay_once(OLD) == 0
    assert await shelf.left() == ["i1"]


async def test_the_relay_takes_up_every_document_oldest_first_up_to_its_limit(shelf: Shelf) -> None:
    for number in range(6):
        await shelf.put(item(number), document_id=f"d{number}", at=AT - timedelta(seconds=number))

    assert await shelf.outbox.relay_once(OLD, limit=4) == 4
    assert sorted(shelf.broker.numbers) == [2, 3, 4, 5]
    assert await shelf.outbox.relay_once(OLD, limit=4) == 2
    assert await shelf.outbox.relay_once(OLD, limit=4) == 0


async def test_a_document_that_cannot_leave_keeps_no_other_waiting(
    shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    await shelf.put({"id": "x", "do": "errand"}, document_id="bad")
    await shelf.put(item(1), document_id="good")

    assert await shelf.outbox.relay_once(OLD) == 2

    assert shelf.broker.numbers == [1]
    assert await shelf.left("bad") == ["x"]
    assert "an outbox item cannot leave" in caplog.text
    assert await shelf.outbox.relay_once(OLD) == 0, "it is tried again later, not at once"


async def test_an_item_can_become_another_in_its_place(shelf: Shelf) -> None:
    await shelf.put(errand(1), errand(2), errand(3))

    assert await shelf.outbox.replace("one", "e2", item(9))
    assert not await shelf.outbox.replace("one", "e4", item(9))

    assert await shelf.left() == ["e1", "i9", "e3"]


async def test_dispatchers_side_by_side_publish_everything_in_the_order_it_was_written(shelf: Shelf) -> None:
    shelf.broker.slow = True
    outboxes = [shelf.another() for _ in range(4)]
    written = 0

    async def write(outbox: Outbox) -> None:
        nonlocal written
        for _ in range(15):
            async with writing:
                written += 1
                await shelf.put(item(written))
            await outbox.dispatch("one")

    writing = asyncio.Lock()
    await asyncio.gather(*(write(outbox) for outbox in outboxes))

    assert shelf.broker.first_seen == list(range(1, 61))
    assert await shelf.left() == []


async def test_in_the_background_a_left_over_item_leaves_by_itself(shelf: Shelf, database: Database) -> None:
    await shelf.put(item(1))

    async with shelf.another().relaying(database, every=0.02, older_than=5):
        await eventually(lambda: shelf.broker.numbers == [1])
        await eventually(lambda: _empty(shelf))


async def _empty(shelf: Shelf) -> bool:
    document: Any = await shelf.documents.find_one({"_id": "one"})
    return "pending_since" not in document
