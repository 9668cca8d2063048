"""Reads a service's dead letters from Kafka, replays and drops them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from shared import producer
from shared.audit import Audit
from shared.broker import KAFKA_TROUBLE, read_from, read_to_end, reading
from shared.clock import Now, utcnow
from shared.consumer.dead_letters import OWN_HEADERS
from shared.consumer.records import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC, Record
from shared.dlq.decisions import Decisions
from shared.dlq.letters import LetterBody, LetterCounts, LetterFilter, LetterView, letter_body, letter_id, letter_view
from shared.mongo import Database
from shared.problems import Problem
from shared.topics import BY_NAME, dlq_topic, retry_topic

_SEND_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of all letters of a filter: how many matched, how many were dealt with now."""

    matched: int
    done: int


class DeadLetterDesk:
    """A service's dead letters."""

    def __init__(
        self,
        service: str,
        kafka_url: str,
        sender: producer.Producer,
        database: Database,
        audit: Audit,
        now: Now = utcnow,
    ) -> None:
        self._service = service
        self._kafka_url = kafka_url
        self._sender = sender
        self._decisions = Decisions(database, now)
        self._audit = audit

    async def letters(self) -> AsyncGenerator[Record]:
        """Yield every dead letter there is.

        Raises:
            Problem: 503 where Kafka does not answer.
        """
        try:
            async with reading(self._kafka_url, dlq_topic(self._service)) as consumer:
                async for record in read_to_end(consumer):
                    yield record
        except KAFKA_TROUBLE:
            raise Problem("unavailable", "Kafka does not answer") from None

    async def _views(self) -> AsyncIterator[LetterView]:
        decided = await self._decisions.known()
        async for record in self.letters():
            yield letter_view(record, self._service, decided.get(letter_id(record), {}))

    async def _matching(self, wanted: LetterFilter) -> list[LetterView]:
        """Return the letters of a filter, oldest first."""
        return sorted([view async for view in self._views() if wanted.takes(view)], key=_position)

    async def page(self, wanted: LetterFilter, *, before: tuple[float, str] | None, limit: int) -> list[LetterView]:
        """Return letters, newest first, older than the given (time, id)."""
        views = reversed(await self._matching(wanted))
        return [view for view in views if before is None or _position(view) < before][:limit]

    async def counts(self) -> LetterCounts:
        """Count the letters by what became of them."""
        found = Counter([view.state async for view in self._views()])
        return LetterCounts(
            service=self._service, open=found["open"], replayed=found["replayed"], dropped=found["dropped"]
        )

    async def find(self, letter: str) -> Record:
        """Return one letter.

        Raises:
            Problem: 404 where there is none of that id; 503 where Kafka does not answer.
        """
        partition, _, offset = letter.partition("-")
        topic = dlq_topic(self._service)
        known = partition.isdecimal() and offset.isdecimal() and int(partition) < BY_NAME[topic].partitions
        try:
            record = await read_from(self._kafka_url, topic, int(partition), int(offset)) if known else None
        except KAFKA_TROUBLE:
            raise Problem("unavailable", "Kafka does not answer") from None
        if record is None:
            raise Problem("not-found", "no such dead letter")
        return record

    async def show(self, letter: str) -> LetterBody:
        """Return one letter with what it holds."""
        record = await self.find(letter)
        decided = await self._decisions.known([letter])
        return letter_body(record, self._service, decided.get(letter, {}))

    async def replay(self, letter: str, who: str, *, force: bool) -> None:
        """Put a letter onto the retry topic.

        Raises:
            Problem: 404 where there is none; 409 where it was replayed or dropped before and this is not forced; 503
                where Kafka does not answer, or does not confirm: then it counts as replayed, since it may be stored.
        """
        record = await self.find(letter)
        if not await self._replay(record, who, force=force):
            raise Problem(
                "conflict",
                "it was replayed or dropped before; force it only where its effect is known to be missing",
            )

    async def drop(self, letter: str, who: str, why: str) -> None:
        """Note that a letter is left, once: a second decision changes nothing.

        Raises:
            Problem: 404 where there is none; 503 where Kafka does not answer.
        """
        await self._drop(await self.find(letter), who, why)

    async def take_back(self, letter: str, who: str) -> None:
        """Take the dropping of a letter back.

        Raises:
            Problem: 404 where it is not dropped.
        """
        await self._audit.note(who, "dead_letters.undrop", self._object(letter))
        if not await self._decisions.take_back(letter):
            raise Problem("not-found", "no such dropped letter")

    async def replay_all(self, wanted: LetterFilter, who: str, *, most: int, dry_run: bool) -> Swept:
        """Replay the open letters of a filter, the oldest first and at most so many, each once, in order of a key."""
        return await self._sweep(wanted, lambda record: self._replay(record, who, force=False), most, dry_run)

    async def drop_all(self, wanted: LetterFilter, who: str, why: str, *, most: int, dry_run: bool) -> Swept:
        """Drop the open letters of a filter, the oldest first and at most so many."""
        return await self._sweep(wanted, lambda record: self._drop(record, who, why), most, dry_run)

    async def _sweep(
        self, wanted: LetterFilter, deal: Callable[[Record], Awaitable[bool]], most: int, dry_run: bool
    ) -> Swept:
        found = await self._matching(wanted)
        if dry_run or not found:
            return Swept(len(found), 0)
        chosen = {view.id for view in found[:most]}
        # Letters of one key lie in one partition, read in order: the order in which they are dealt with.
        async with aclosing(self.letters()) as letters:
            done = [await deal(record) async for record in letters if letter_id(record) in chosen]
        return Swept(len(found), sum(done))

    async def _replay(self, record: Record, who: str, *, force: bool) -> bool:
        letter = letter_id(record)
        await self._audit.note(who, "dead_letters.replay", self._object(letter))
        if not await self._decisions.replay(letter, who, force=force):
            return False
        try:
            await self._sender.send_all([_copy(record, retry_topic(self._service))], timeout=_SEND_SECONDS)
        except producer.BrokerUnavailable:
            detail = (
                "Kafka did not confirm the replay, which may be stored yet: look for its effect before you force it"
            )
            raise Problem("unavailable", detail) from None
        return True

    async def _drop(self, record: Record, who: str, why: str) -> bool:
        letter = letter_id(record)
        await self._audit.note(who, "dead_letters.drop", self._object(letter), why)
        return await self._decisions.drop(letter, who, why)

    def _object(self, letter: str) -> str:
        return f"{dlq_topic(self._service)}/{letter}"


def _position(view: LetterView) -> tuple[float, str]:
    return view.dead_since.timestamp(), view.id


def _copy(record: Record, topic: str) -> producer.Record:
    kept: Sequence[tuple[str, bytes]] = [(name, value) for name, value in record.headers if name not in OWN_HEADERS]
    origin = {
        ORIGIN_TOPIC: record.origin.topic,
        ORIGIN_PARTITION: str(record.origin.partition),
        ORIGIN_OFFSET: str(record.origin.offset),
    }
    headers = (*kept, *((name, value.encode()) for name, value in origin.items()))
    return producer.Record(topic, record.key, record.value, headers)
