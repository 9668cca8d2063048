"""A consumer group's member: FastStream hands batches over, partitions work on them, this commits (design §5)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from prometheus_client import CollectorRegistry

from shared import broker as kafka
from shared.consumer.attempts import Attempts, Handler
from shared.consumer.batches import BatchPartition
from shared.consumer.breaker import Breaker
from shared.consumer.claims import Claims
from shared.consumer.dead_letters import DeadLetters
from shared.consumer.keyed import KeyedPartition
from shared.consumer.metrics import ConsumerMetrics
from shared.consumer.partitions import Erased, Guards, Partition
from shared.consumer.records import Record, read_record
from shared.producer import Producer
from shared.topics import dlq_topic, retry_topic

logger = logging.getLogger(__name__)

RESUME_SECONDS = 0.05
COMMIT_EVERY = 5
COMMIT_SECONDS = 5.0
HEARTBEAT_MS = 500
REBALANCE_SLACK_SECONDS = COMMIT_SECONDS + 5.0


@dataclass(frozen=True)
class ConsumerOptions:
    """How a service consumes. Limits are records; `drain_seconds` is the deadline of a hand-back (design §12)."""

    service: str
    kafka_url: str
    keyed: bool = True
    group: str | None = None
    instance_id: str | None = None
    concurrency: int = 256
    fetch_records: int = 1000
    partition_unfinished: int = 4000
    total_unfinished: int = 20_000
    total_bytes: int = 64 * 1024 * 1024
    span: int = 10_000
    drain_seconds: float = 20.0
    session_timeout_ms: int = 10_000
    max_poll_interval_ms: int = 300_000

    @property
    def group_id(self) -> str:
        """The consumer group: the service, unless it has several."""
        return self.group or self.service

    @property
    def rebalance_timeout_ms(self) -> int:
        """How long the group waits for a member that drains; a shorter one takes its partitions away in mid-work."""
        return int((self.drain_seconds + REBALANCE_SLACK_SECONDS) * 1000)

    @property
    def heartbeat_interval_ms(self) -> int:
        """How soon a member hears of a rebalance: all the others stand still until it has."""
        return min(HEARTBEAT_MS, self.session_timeout_ms // 3)


async def _raw(message: tuple[Any, ...]) -> KafkaMessage:
    """Hand a batch over as it is: decoding headers here would lose a batch whose header is no UTF-8."""
    return KafkaMessage(body=b"", raw_message=message, consumer=FAKE_CONSUMER)


async def _untouched(message: KafkaMessage) -> tuple[Any, ...]:
    return message.raw_message


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Consumes topics for a service until it is stopped; waits for Kafka as long as it takes.

    Args:
        handlers: by topic; the service's retry topic is consumed too, and a record of it goes to its origin's handler.
        sender: writes the dead letters.
        claims: the guard against repeats by event id; None for topics whose records carry no such id.
        erased: the guard for erased people.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        handlers: Mapping[str, Handler],
        sender: Producer,
        claims: Claims | None,
        erased: Erased | None,
        registry: CollectorRegistry,
    ) -> None:
        self._options = options
        self._handlers = dict(handlers)
        self.metrics = ConsumerMetrics(registry)
        self.breaker = Breaker()
        letters = DeadLetters(options.service, sender)
        self._attempts = Attempts(options.service, self._handle, letters, self.breaker, self.metrics)
        self._guards = Guards(claims, erased, self._attempts, self.metrics)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._partitions: dict[TopicPartition, Partition] = {}
        self._paused: set[TopicPartition] = set()
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._failure: str | None = None
        self._stopping = False
        self._joined = False

    @property
    def topics(self) -> list[str]:
        """Every topic this consumes."""
        return [*self._handlers, retry_topic(self._options.service)]

    @contextlib.asynccontextmanager
    async def running(self, before: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Consume in the background once `before` has returned; leaving drains, commits, hands the partitions back."""
        task = asyncio.create_task(self._run(before))
        try:
            yield
        finally:
            self._stopping = True
            await self._hand_back(list(self._partitions))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self._broker is not None:
                await self._broker.stop()

    async def ready(self) -> str | None:
        """Readiness: in the group, breaker closed."""
        if self.breaker.open:
            return "stopped: too many bad records; see the dead letters and the log, then restart"
        if self._subscriber is None or self._subscriber.consumer is None:
            return "waiting for Kafka"
        return None if self._joined and self._is_member else "joining the consumer group"

    @property
    def _is_member(self) -> bool:
        """Whether the group knows this member, as far as it has heard."""
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        return consumer is not None and bool(consumer._coordinator.member_id)

    async def live(self) -> str | None:
        """Liveness: nothing that should never end has ended."""
        failures = (partition.failure for partition in self._partitions.values())
        return self._failure or next((f"a partition's work ended: {failure}" for failure in failures if failure), None)

    async def _run(self, before: Callable[[], Awaitable[None]]) -> None:
        try:
            await before()
            await kafka.until_kafka(self._options.kafka_url, [*self.topics, dlq_topic(self._options.service)])
            await self._subscribe()
            ticks = 0
            while True:
                await asyncio.sleep(RESUME_SECONDS)
                self._resume()
                ticks += 1
                if ticks % COMMIT_EVERY == 0:
                    await self._commit(list(self._partitions))
                    self._observe()
        except Exception as error:
            self._failure = f"consuming ended: {error.__class__.__name__}"
            logger.exception("consuming ended", extra={"consumer": self._options.service})
            raise

    async def _subscribe(self) -> None:
        options = self._options
        while True:
            broker = kafka.create_broker(options.kafka_url, options.service)
            subscriber = broker.subscriber(
                *self.topics,
                batch=True,
                group_id=options.group_id,
                group_instance_id=options.instance_id,
                ack_policy=AckPolicy.MANUAL,
                auto_offset_reset="earliest",
                max_records=options.fetch_records,
                batch_timeout_ms=20,
                session_timeout_ms=options.session_timeout_ms,
                heartbeat_interval_ms=options.heartbeat_interval_ms,
                rebalance_timeout_ms=options.rebalance_timeout_ms,
                max_poll_interval_ms=options.max_poll_interval_ms,
                listener=self,
                parser=_raw,
                decoder=_untouched,
            )
            subscriber(self._feed)
            self._broker, self._subscriber = broker, subscriber
            try:
                await broker.start()
            except (KafkaError, OSError) as error:
                logger.warning("waiting for Kafka", extra={"reason": error.__class__.__name__})
                await broker.stop()
                await asyncio.sleep(1)
            else:
                return

    async def _handle(self, records: Sequence[Record]) -> None:
        await self._handlers[records[0].topic](records)

    async def _feed(self, batch: tuple[Any, ...]) -> None:
        """Give a batch to its partitions and return at once: FastStream's loop is never held up."""
        try:
            by_partition: dict[TopicPartition, list[Record]] = {}
            for raw in batch:
                by_partition.setdefault(TopicPartition(raw.topic, raw.partition), []).append(read_record(raw))
            for tp, records in by_partition.items():
                if partition := self._partitions.get(tp):
                    partition.offer(records)
                    self._pause_if_full(tp, partition)
        except Exception as error:
            self._failure = f"taking records failed: {error.__class__.__name__}"
            logger.exception("taking records failed")
            raise

    def _new_partition(self) -> Partition:
        if self._options.keyed:
            return KeyedPartition(self._guards, self._attempts, self._slots)
        return BatchPartition(self._guards, self._attempts)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start afresh with what the group gave us."""
        if not self._stopping:
            self._partitions = {tp: self._new_partition() for tp in assigned}
            self.metrics.lag.clear()
            self._paused.clear()
            self._joined = True
            self.metrics.rebalances.inc()
            self.metrics.partitions.set(len(self._partitions))
            logger.info("assigned", extra={"partitions": len(self._partitions)})

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Drain and commit before another member takes over; give up at once what others have already."""
        await self._hand_back(list(revoked))

    async def _hand_back(self, leaving: list[TopicPartition]) -> None:
        partitions = [self._partitions[tp] for tp in leaving if tp in self._partitions]
        for partition in partitions:
            partition.stop()
        try:
            async with asyncio.timeout(self._options.drain_seconds if self._is_member else 0):
                await asyncio.gather(*(partition.drain() for partition in partitions))
        except TimeoutError:
            logger.warning("drain ended before the work did: it is left to the next owner")
            await asyncio.gather(*(partition.cancel() for partition in partitions))
        await self._commit(leaving)
        for tp in leaving:
            self._partitions.pop(tp, None)
            self._paused.discard(tp)

    async def _commit(self, tps: Iterable[TopicPartition]) -> None:
        """Commit each partition's contiguous finished prefix; a refusal is harmless, effects are idempotent."""
        consumer = self._subscriber.consumer if self._subscriber is not None else None
        partitions = {tp: self._partitions[tp] for tp in tps if tp in self._partitions}
        offsets = {
            tp: offset
            for tp, partition in partitions.items()
            if self._failure is None and (offset := partition.progress.to_commit) is not None
        }
        if consumer is None or not offsets or not self._is_member:
            return
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            logger.info("commit refused: the partitions have moved", extra={"reason": error.__class__.__name__})
        except (KafkaError, TimeoutError) as error:
            logger.warning("commit failed; it is tried again", extra={"reason": error.__class__.__name__})
        else:
            for tp, offset in offsets.items():
                partitions[tp].progress.committed(offset)

    @property
    def _load(self) -> float:
        """How much of what this process may hold unfinished it holds, by the tighter of both caps."""
        held = [partition.progress for partition in self._partitions.values()]
        records, size = sum(p.unfinished for p in held), sum(p.unfinished_bytes for p in held)
        return max(records / self._options.total_unfinished, size / self._options.total_bytes)

    def _full(self, partition: Partition) -> bool:
        progress, options = partition.progress, self._options
        return progress.unfinished >= options.partition_unfinished or progress.span >= options.span

    def _pause_if_full(self, tp: TopicPartition, partition: Partition) -> None:
        consumer = self._subscriber.consumer
        if self._full(partition):
            self._paused.add(tp)
            consumer.pause(tp)
        if self._load >= 1:
            others = set(self._partitions) - self._paused
            self._paused |= others
            if others:
                consumer.pause(*others)

    def _resume(self) -> None:
        if not self._paused or self._load >= 0.5:
            return
        for tp in list(self._paused):
            partition = self._partitions.get(tp)
            if partition is not None and not self._full(partition):
                self._subscriber.consumer.resume(tp)
                self._paused.discard(tp)

    def _observe(self) -> None:
        metrics, consumer = self.metrics, self._subscriber.consumer
        metrics.paused.set(len(self._paused))
        metrics.breaker.set(int(self.breaker.open))
        metrics.keys.set(sum(partition.keys_waiting for partition in self._partitions.values()))
        for topic in self.topics:
            progress = [part.progress for tp, part in self._partitions.items() if tp.topic == topic]
            oldest = [moment.timestamp() for p in progress if (moment := p.oldest) is not None]
            metrics.unfinished.labels(topic).set(sum(p.unfinished for p in progress))
            metrics.oldest.labels(topic).set(min(oldest, default=0))
        for tp, partition in self._partitions.items():
            end, done = consumer.highwater(tp), partition.progress.resumes_at
            if end is not None and done is not None:
                metrics.lag.labels(tp.topic, str(tp.partition)).set(max(0, end - done))
