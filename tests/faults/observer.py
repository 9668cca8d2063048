"""Reads what a run left behind: Kafka's topics, the services' stores, LINE's accept log, the services' logs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.consumer.records import EVENT_ID
from shared.mongo import Client, connect
from shared.outbox import VERSION
from shared.testing.spine import Spine
from shared.topics import CONSUMING_SERVICES, LINE_EVENTS, MEMBER_STATE, dlq_topic
from tests.faults.ledger import Ledger
from tests.faults.oracle import COUNTERS, Observed

READ_MS = 2000
WATCHED = (LINE_EVENTS, MEMBER_STATE, *(dlq_topic(service) for service in CONSUMING_SERVICES))

Places = dict[TopicPartition, int]


@dataclass(frozen=True)
class Beginning:
    """Where everything stood before a run."""

    places: Places
    accepts: int
    counted: Counter[tuple[str, str]]
    logs: dict[str, int]


class Observer:
    """Looks at a stack from outside."""

    def __init__(self, spine: Spine, mongo: Client) -> None:
        self._spine = spine
        self._mongo: Any = mongo

    async def beginning(self) -> Beginning:
        """Note where everything stands now."""
        async with self._reader() as reader:
            partitions = await _partitions(reader, WATCHED)
            places = dict(await reader.end_offsets(partitions))
        last = (await self._spine.ask("/accepts", since=0, limit=1))["last_seq"]
        return Beginning(places, last, await self._counters(), {p.name: p.stat().st_size for p in self._log_files()})

    async def observe(self, ledger: Ledger, since: Beginning) -> Observed:
        """Read everything about a ledger's events."""
        contacts = sorted({sent.contact for sent in ledger.events.values()})
        counted = await self._counters()
        counted.subtract(since.counted)
        records = await self._records(since.places)
        return Observed(
            stored=Counter(_header(r, EVENT_ID) for r in records if r.topic == LINE_EVENTS),
            accepts=await self._accepts(since.accepts),
            messages=await self._messages(ledger),
            unread=await self._unread(contacts),
            members=await self._members(contacts),
            people=await self._people(contacts),
            counted=counted,
            told={member: (versions[-1], max(versions)) for member, versions in _versions(records).items()},
            unsettled=self._unsettled(since.logs),
            letters=sum(r.topic.startswith(dlq_topic("")) for r in records),
        )

    def collection(self, service: str, name: str) -> Any:
        """Return a collection of a service's database."""
        return self._mongo[self._spine.facts["databases"][service]][name]

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        reader = AIOKafkaConsumer(bootstrap_servers=self._spine.facts["kafka"], enable_auto_commit=False)
        await reader.start()
        try:
            yield reader
        finally:
            await reader.stop()

    async def _records(self, places: Places) -> list[ConsumerRecord]:
        found: list[ConsumerRecord] = []
        async with self._reader() as reader:
            reader.assign(list(places))
            ends = await reader.end_offsets(list(places))
            waiting = {place for place, start in places.items() if ends[place] > start}
            for place, start in places.items():
                reader.seek(place, start)
            while waiting:
                for batch in (await reader.getmany(timeout_ms=READ_MS)).values():
                    found += batch
                waiting = {place for place in waiting if await reader.position(place) < ends[place]}
        return found

    async def _accepts(self, since: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            page = await self._spine.ask("/accepts", since=since, limit=10_000)
            found += page["items"]
            if page["next_since"] >= page["last_seq"]:
                return found
            since = page["next_since"]

    async def _counters(self) -> Counter[tuple[str, str]]:
        sums: Counter[tuple[str, str]] = Counter()
        where = {"metric": {"$in": list(COUNTERS)}, "grain": "day"}
        async for document in self.collection("insights", "counters").find(where):
            sums[document["channel"], document["metric"]] += sum(s["count"] for s in document["slots"].values())
        return sums

    async def _messages(self, ledger: Ledger) -> dict[str, str | None]:
        wanted = [f"{sent.channel}:{sent.message_id}" for sent in ledger.events.values() if sent.message_id]
        found = self.collection("ticketing", "messages").find({"_id": {"$in": wanted}}, {"event_id": 1})
        return {document["_id"]: document["event_id"] async for document in found}

    async def _unread(self, contacts: Sequence[str]) -> dict[str, int]:
        found = self.collection("ticketing", "conversations").find({"_id": {"$in": contacts}}, {"unread": 1})
        return {document["_id"]: document["unread"] async for document in found}

    async def _members(self, contacts: Sequence[str]) -> dict[str, bool | None]:
        """Return by contact of a member how it stands."""
        found = self.collection("binding", "members").find({"contact_ids": {"$in": contacts}}, {"contacts": 1})
        return {each["id"]: each["following"] async for document in found for each in document["contacts"]}

    async def _people(self, contacts: Sequence[str]) -> set[str]:
        where = {"_id": {"$in": contacts}, "following": True}
        return {document["_id"] async for document in self.collection("broadcast", "people").find(where, {"_id": 1})}

    def _log_files(self) -> list[Any]:
        return sorted(self._spine.stack.home.folder("logs").glob("*.log"))

    def _unsettled(self, since: dict[str, int]) -> set[str]:
        """Read from the services' logs which replies ended without anybody knowing how."""
        found: set[str] = set()
        for path in self._log_files():
            with path.open("rb") as log:
                log.seek(since.get(path.name, 0))
                lines = [line for line in log.read().decode(errors="replace").splitlines() if '"unsettled"' in line]
            found |= {match[1] for line in lines if (match := re.search(r'"event_id": ?"([^"]+)"', line))}
        return found


@asynccontextmanager
async def observing(spine: Spine) -> AsyncIterator[Observer]:
    """Give an observer for the length of the block."""
    client = connect(spine.facts["mongo"])
    try:
        yield Observer(spine, client)
    finally:
        client.close()


async def _partitions(reader: AIOKafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    found = []
    for topic in topics:
        await reader._client.add_topic(topic)
        found += [TopicPartition(topic, n) for n in reader.partitions_for_topic(topic) or ()]
    return found


def _header(record: ConsumerRecord, name: str) -> str:
    return next((value.decode() for key, value in record.headers if key == name), "")


def _versions(records: Iterable[ConsumerRecord]) -> dict[str, list[int]]:
    """Return by member the versions of its snapshots, in the order in which its partition of member.state has them."""
    found: dict[str, list[int]] = defaultdict(list)
    for record in sorted((r for r in records if r.topic == MEMBER_STATE), key=lambda r: r.offset):
        if record.value is not None:
            found[record.key.decode()].append(int(_header(record, VERSION)))
    return found
