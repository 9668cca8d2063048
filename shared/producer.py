"""The one way to publish: `Producer.send_all` returns when the broker has every record, or raises BrokerUnavailable.

It is durable (acks=all, idempotent), bounded (records and bytes on their way; aiokafka bounds neither and an idempotent
batch never expires), fast (batches a partition, see `shared.producer_lanes`) and heals itself: it starts without a
broker, and a client that failed, or got no acknowledgement for `STALL_SECONDS`, is replaced by a new one.
A time-out is not a failure: the record may be stored later, so what is sent again must carry the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from shared.kafka_access import kafka_servers
from shared.producer_lanes import Batch, BrokerUnavailable, Client, Delivery, Lane, Record

__all__ = ["BrokerUnavailable", "Producer", "Record", "RecordTooLarge"]

logger = logging.getLogger(__name__)

MAX_RECORDS = 20_000
MAX_BYTES = 64 * 1024 * 1024
LANE_SHARE = 4
"""One partition may hold a quarter of what may be on its way, so that one without a leader does not stop the rest."""
MAX_RECORD_BYTES = 2_000_000
"""Just under the topics' `max.message.bytes`: a refused batch costs the client its sequence, so none may be refused."""
BATCH_BYTES = 256 * 1024
LOOK_SECONDS = 0.05
"""How often late callers are looked for: a timer for each would cost a webhook 3 µs, and nearly none is late."""
REQUEST_SECONDS = 10.0
START_SECONDS = 30.0
"""Longer than a broker that does not answer takes to be noticed: giving up sooner leaves a connection open."""
STALL_SECONDS = 30.0
ALIVE_SECONDS = 5.0
PROBE_SECONDS = 1.5
CLOSE_SECONDS = 12.0
MAX_PAUSE_SECONDS = 2.0

_size = DefaultRecordBatchBuilder.estimate_size_in_bytes
_TROUBLE = (KafkaError, OSError, asyncio.TimeoutError)


class RecordTooLarge(ValueError):
    """A record is larger than the topics take; nothing of the call was sent."""


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    # Kafka's own partitioner, so that every client puts a key on the same partition; in Python it costs 8 µs a key.
    return cast(int, murmur2(key)) & 0x7FFFFFFF


class ProducerMetrics:
    """What the producer counts, by nothing but the outcome."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter("producer_records", "Records the broker acknowledged.", registry=registry)
        self.failures = Counter(
            "producer_failures", "Calls that got no acknowledgement.", ["reason"], registry=registry
        )
        self.full = self.failures.labels("full")
        self.late = self.failures.labels("late")
        self.down = self.failures.labels("down")
        self.failed = self.failures.labels("failed")
        self.restarts = Counter("producer_restarts", "Clients replaced after an error or a stall.", registry=registry)
        self.in_flight = Gauge("producer_in_flight_records", "Records not yet acknowledged.", registry=registry)
        self.in_flight_bytes = Gauge("producer_in_flight_bytes", "Bytes not yet acknowledged.", registry=registry)
        self.seconds = Histogram(
            "producer_ack_seconds",
            "From a batch's first record to its acknowledgement.",
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )


class _Session:
    """One aiokafka client and its lanes; the first error ends it for good."""

    def __init__(self, client: Any, on_settled: Any) -> None:
        self.client = client
        self.broken = asyncio.Event()
        self.last_ack = time.monotonic()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._partitions: dict[str, int] = {}
        self._on_settled = on_settled

    def knows(self, topics: set[str]) -> bool:
        """Whether the partitions of these topics are known."""
        return topics <= self._partitions.keys()

    async def learn(self, topics: set[str]) -> None:
        """Ask for the partitions of these topics."""
        for topic in topics - self._partitions.keys():
            self._partitions[topic] = len(await self.client.partitions_for(topic))

    def lanes(self, records: Sequence[Record], most: int) -> list[Lane]:
        """Return the lane of each record, whose topic is known.

        Raises:
            BrokerUnavailable: one of them holds `most` records already.
        """
        lanes = [self._lane(record.topic, record.key) for record in records]
        if any(lane.records >= most for lane in lanes):
            raise BrokerUnavailable("too much is on its way to one partition")
        return lanes

    def _lane(self, topic: str, key: bytes | None) -> Lane:
        count = self._partitions[topic]
        place = (topic, _hash(key) % count if key is not None else random.randrange(count))  # noqa: S311
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(cast(Client, self.client), *place, self._settled)
        return lane

    def oldest(self, now: float) -> float:
        """Seconds for which the oldest record has waited."""
        return now - min((lane.oldest for lane in self._lanes.values() if lane.oldest is not None), default=now)

    def silent(self, now: float) -> float:
        """Seconds for which records have waited without a single acknowledgement."""
        return min(self.oldest(now), now - self.last_ack)

    def abandon(self) -> None:
        """Fail what is not acknowledged."""
        # aiokafka has no public way to give up: its stop() waits for ever for the batches of a broker that is gone.
        accumulator = self.client._message_accumulator
        accumulator.fail_all(KafkaError("given up"))
        for batch in (batch for queue in accumulator._batches.values() for batch in queue):
            batch._drain_waiter.exception()
        for left in [lane.abandon() for lane in self._lanes.values()]:
            for unsent in left:
                self._on_settled(unsent, BrokerUnavailable("the connection was given up"))

    async def stop(self, seconds: float) -> None:
        """Close the client of an abandoned session, giving its requests under way `seconds` to end."""
        sender = self.client._sender.sender_task
        # stop() would cancel the sender a second time, be cancelled by that itself and leave connections open.
        for patience in (seconds, 1.0):
            if sender is not None and not sender.done():
                sender.cancel()
                await asyncio.wait({sender}, timeout=patience)
        with contextlib.suppress(*_TROUBLE):
            await asyncio.wait_for(self.client.stop(), 1.0)

    def _settled(self, batch: Batch, error: Exception | None) -> None:
        if error is None:
            self.last_ack = time.monotonic()
            self._on_settled(batch, None)
            return
        logger.warning("a batch was not stored", extra={"error": error.__class__.__name__, "records": batch.records})
        self._on_settled(batch, BrokerUnavailable("the broker refused or lost it"))
        self.broken.set()


class Producer:
    """Publishes to Kafka for a whole process. Make one, `start` it, `close` it."""

    def __init__(
        self,
        servers: str,
        client_id: str,
        *,
        registry: CollectorRegistry | None = None,
        max_records: int = MAX_RECORDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._servers = servers
        self._client_id = client_id
        self._max_records, self._max_bytes = max_records, max_bytes
        self._records = self._bytes = 0
        self._session: _Session | None = None
        self._waiting: dict[Delivery, float] = {}
        """Callers, and until when each of them waits."""
        self._look: asyncio.TimerHandle | None = None
        self._tried = asyncio.Event()
        self._trouble: str | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._supervisor: asyncio.Task[None] | None = None
        self._leftovers: set[asyncio.Task[None]] = set()
        self._probe: tuple[float, str | None] = (0.0, None)
        self._metrics = metrics = ProducerMetrics(registry or REGISTRY)
        metrics.in_flight.set_function(lambda: self._records)
        metrics.in_flight_bytes.set_function(lambda: self._bytes)

    async def start(self) -> None:
        """Begin connecting; does not wait for a broker."""
        self._supervisor = asyncio.create_task(self._supervise(), name="producer")

    async def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Take no more, wait for what is on its way, then disconnect; at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        self._closing = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), max(0.0, timeout - 1))
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait({self._supervisor})
        self._retire(max(0.0, deadline - time.monotonic() - 1))
        if self._leftovers:
            await asyncio.wait(self._leftovers, timeout=max(2.0, deadline - time.monotonic()))

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Publish records, in order within a key, and return when the broker has acknowledged all of them.

        Raises:
            BrokerUnavailable: within `timeout` seconds, or at once when nothing can be sent now. Any of the records may
                be stored nevertheless.
            RecordTooLarge: a record can never be stored; none was sent.
        """
        if not records:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        sizes = [_size(key, value, list(headers)) for _, key, value, headers in records]
        if max(sizes) > MAX_RECORD_BYTES:
            raise RecordTooLarge(f"a record of {max(sizes)} bytes is over the limit of {MAX_RECORD_BYTES}")
        topics = {record.topic for record in records}
        session = self._session
        if session is None or self._closing or not session.knows(topics):
            session = await self._ready(topics, deadline)
        lanes = self._reserve(session, records, sum(sizes))
        delivery = Delivery(loop)
        for lane, record, size in zip(lanes, records, sizes, strict=True):
            lane.add(record, size, delivery)
        self._waiting[delivery] = deadline
        if self._look is None:
            self._look = loop.call_later(LOOK_SECONDS, self._expire)
        try:
            await delivery.future
        finally:
            del self._waiting[delivery]

    async def problem(self) -> str | None:
        """Say why nothing can be published now, for readiness; None when the broker answers."""
        session = self._session
        if session is None:
            return self._trouble or "connecting"
        now = time.monotonic()
        if (silent := session.silent(now)) > PROBE_SECONDS:
            return f"no acknowledgement for {silent:.0f} s"
        if now - session.last_ack < ALIVE_SECONDS:
            return None
        if now - self._probe[0] > PROBE_SECONDS:
            self._probe = (now, await self._ask(session))
        return self._probe[1]

    @staticmethod
    async def _ask(session: _Session) -> str | None:
        try:
            await asyncio.wait_for(session.client.client.fetch_all_metadata(), PROBE_SECONDS)
        except _TROUBLE:
            return "the broker does not answer"
        return None

    async def _ready(self, topics: set[str], deadline: float) -> _Session:
        """Return the session, its topics known; waits only while connecting has not failed yet."""
        try:
            async with asyncio.timeout_at(deadline):
                if self._session is None:
                    if self._closing or self._trouble is not None:
                        raise BrokerUnavailable(self._trouble or "closing")
                    await self._tried.wait()
                session = self._session
                if self._closing or session is None:
                    raise BrokerUnavailable(self._trouble or "closing")
                await session.learn(topics)
                return session
        except BrokerUnavailable:
            self._metrics.down.inc()
            raise
        except _TROUBLE as error:
            self._metrics.down.inc()
            raise BrokerUnavailable(error.__class__.__name__) from None

    def _reserve(self, session: _Session, records: Sequence[Record], size: int) -> list[Lane]:
        try:
            if self._records + len(records) > self._max_records or self._bytes + size > self._max_bytes:
                raise BrokerUnavailable("too much is on its way")
            lanes = session.lanes(records, self._max_records // LANE_SHARE)
        except BrokerUnavailable:
            self._metrics.full.inc()
            raise
        self._records += len(records)
        self._bytes += size
        self._idle.clear()
        return lanes

    def _expire(self) -> None:
        """Give up on what is late."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for delivery in [delivery for delivery, deadline in self._waiting.items() if deadline <= now]:
            self._metrics.late.inc()
            delivery.expire()
        self._look = loop.call_later(LOOK_SECONDS, self._expire) if self._waiting else None

    def _on_settled(self, batch: Batch, error: BrokerUnavailable | None) -> None:
        self._records -= batch.records
        self._bytes -= batch.bytes
        if not self._records:
            self._idle.set()
        if error is None:
            self._metrics.records.inc(batch.records)
            self._metrics.seconds.observe(time.monotonic() - batch.since)
        else:
            self._metrics.failed.inc(len(batch.deliveries))
        batch.settle(error)

    async def _supervise(self) -> None:
        """Keep one working session: connect, watch, replace."""
        pause = 0.1
        while True:
            if (session := await self._connect()) is None:
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
                pause = min(pause * 2, MAX_PAUSE_SECONDS)
                continue
            pause = 0.1
            self._session, self._trouble = session, None
            self._tried.set()
            logger.info("connected to Kafka")
            await self._watch(session)
            self._metrics.restarts.inc()
            self._retire(REQUEST_SECONDS + 1)

    async def _connect(self) -> _Session | None:
        client = AIOKafkaProducer(
            **kafka_servers(self._servers),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
        )
        session = _Session(client, self._on_settled)
        try:
            await asyncio.wait_for(client.start(), START_SECONDS)
        except _TROUBLE as error:
            if self._trouble is None:
                logger.warning("Kafka cannot be reached", extra={"error": error.__class__.__name__})
            self._trouble = "the broker cannot be reached"
            self._tried.set()
            await session.stop(1.0)
            return None
        except asyncio.CancelledError:
            await session.stop(1.0)
            raise
        return session

    async def _watch(self, session: _Session) -> None:
        while not session.broken.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(session.broken.wait(), 1.0)
            if (waited := session.oldest(time.monotonic())) > STALL_SECONDS:
                logger.warning("no acknowledgement, reconnecting", extra={"seconds": round(waited)})
                return

    def _retire(self, seconds: float) -> None:
        """Take the session out of use, answer its waiting callers and close it in the background."""
        session, self._session = self._session, None
        self._tried.clear()
        if session is None:
            return
        session.abandon()
        task = asyncio.create_task(session.stop(seconds))
        self._leftovers.add(task)
        task.add_done_callback(self._leftovers.discard)
