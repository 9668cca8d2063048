"""Whatever is redelivered, replayed, cut anew, killed or done by two at once: the counters of one clean pass."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric

from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import READERS
from services.insights.tests.memory import Killed, MemoryCounters
from shared.clock import utcnow
from shared.consumer import Coordinates, Record
from shared.testing.line_webhooks import envelope, event, follow, message, unfollow, user_id
from shared.topics import LINE_EVENTS, retry_topic

ZONES = {"taipei": ZoneInfo("Asia/Taipei"), "york": ZoneInfo("America/New_York")}
CLOCKS_GO_BACK = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
MAKERS = (follow, unfollow, message)


class Arrival(NamedTuple):
    """An event in a partition of the topic; the same event may arrive several times."""

    id: str
    channel: str
    event: dict[str, Any]


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Arrival]]:
    """Two partitions of a log in which some events arrive again."""
    partitions: list[list[Arrival]] = [[], []]
    for number in range(draw(st.integers(1, 15))):
        person = draw(st.integers(0, 3))
        at = CLOCKS_GO_BACK + timedelta(minutes=draw(st.integers(0, 240)))
        made = draw(st.sampled_from(MAKERS))(user_id(person), at=at)
        arrival = Arrival(f"e{number}", draw(st.sampled_from(sorted(ZONES))), made)
        partitions[person % 2].append(arrival)
        if draw(st.booleans()):
            partitions[person % 2].append(draw(st.sampled_from(partitions[person % 2])))
    return partitions


def clean_pass(partitions: Sequence[Sequence[Arrival]]) -> Counter[tuple[str, str, str, str]]:
    """Count each event once, by the plainest means there are."""
    totals: Counter[tuple[str, str, str, str]] = Counter()
    for arrival in {arrival.id: arrival for partition in partitions for arrival in partition}.values():
        kind = arrival.event["type"]
        local = datetime.fromtimestamp(arrival.event["timestamp"] / 1000, ZONES[arrival.channel])
        hour = local.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")
        metric = {"follow": ("adds", "new"), "unfollow": ("blocks", ""), "message": ("messages_in", "user:text")}[kind]
        for label in (hour, f"{local:%Y-%m-%d}"):
            totals[(arrival.channel, *metric, label)] += 1
            totals[arrival.channel, "events", f"{LINE_EVENTS}:{kind}", label] += 1
    return totals


class Insights:
    """Insights with everything but Kafka and the store: claims, and the handler. `kill` it and start another one."""

    def __init__(self, counters: MemoryCounters, claims: dict[str, Coordinates]) -> None:
        self.claims = claims
        skipped = Metric("skipped", "", ["topic"], registry=CollectorRegistry())
        self.deps = CountDeps(counters, ZONES.get, skipped)

    async def consume(self, records: Sequence[Record]) -> None:
        kept = [
            record for record in records if self.claims.setdefault(str(record.event_id), record.origin) == record.origin
        ]
        if kept:
            await count(kept, READERS[LINE_EVENTS], self.deps)


def records_of(arrivals: Sequence[Arrival], partition: int, topic: str = LINE_EVENTS) -> list[Record]:
    return [
        Record(
            at := Coordinates(topic, partition, offset),
            None,
            envelope(arrival.channel, arrival.event),
            (("event-id", arrival.id.encode()),),
            utcnow(),
            at,
        )
        for offset, arrival in enumerate(arrivals)
    ]


def lives_for(writes: int) -> Callable[[], bool]:
    """Return what says, write by write, whether a process lives that is killed after so many."""
    left = iter(range(writes))
    return lambda: next(left, None) is not None


def consume_with_trouble(
    partition: list[Record], counters: MemoryCounters, claims: dict[str, Coordinates], data: st.DataObject
) -> None:
    """Consume a partition in batches cut at will; now and then the process dies or an earlier offset is read again."""
    position, troubles = 0, 0
    while position < len(partition):
        batch = partition[position : position + data.draw(st.integers(1, 8), label="batch")]
        lives = data.draw(st.integers(0, 12), label="writes until killed") if troubles < 4 else 1000
        counters.survives = lives_for(lives)
        try:
            asyncio.run(Insights(counters, claims).consume(batch))
        except Killed:
            troubles += 1
            position = data.draw(st.integers(0, position), label="committed")
        else:
            position += len(batch)
    counters.survives = lambda: True


@settings(max_examples=200)
@given(log=arrivals(), data=st.data())
def test_killed_at_any_write_and_read_again_from_any_committed_offset(
    log: list[list[Arrival]], data: st.DataObject
) -> None:
    counters, claims = MemoryCounters(), dict[str, Coordinates]()
    partitions = [records_of(arrivals, number) for number, arrivals in enumerate(log)]
    for number in data.draw(st.permutations(range(len(partitions))), label="order of partitions"):
        consume_with_trouble(partitions[number], counters, claims, data)
    for partition in partitions:
        asyncio.run(Insights(counters, claims).consume(partition[data.draw(st.integers(0, len(partition))) :]))

    assert counters.totals() == clean_pass(log)


@settings(max_examples=200)
@given(log=arrivals(), data=st.data())
def test_a_process_that_lost_a_partition_and_its_new_owner_write_at_once(
    log: list[list[Arrival]], data: st.DataObject
) -> None:
    counters, claims = MemoryCounters(), dict[str, Coordinates]()

    async def both() -> None:
        for number, arrivals in enumerate(log):
            records = records_of(arrivals, number)
            committed = data.draw(st.integers(0, len(records)), label="committed")
            taken = data.draw(st.integers(committed, len(records)), label="taken by the old owner")
            cut = data.draw(st.integers(committed, len(records)), label="cut by the new owner")
            begin = data.draw(st.integers(0, committed), label="read again")
            old, new = Insights(counters, claims), Insights(counters, claims)
            await old.consume(records[:committed])

            async def owner(insights: Insights, batches: Sequence[list[Record]], pause: int) -> None:
                for batch in batches:
                    for _ in range(pause):
                        await asyncio.sleep(0)
                    await insights.consume(batch)

            pauses = [data.draw(st.integers(0, 9), label="pause") for _ in range(2)]
            await asyncio.gather(
                owner(old, [records[committed:taken]], pauses[0]),
                owner(new, [records[begin:cut], records[cut:]], pauses[1]),
            )

    asyncio.run(both())
    assert counters.totals() == clean_pass(log)


def test_a_replayed_dead_letter_counts_in_a_slot_of_its_own() -> None:
    counters, claims = MemoryCounters(), dict[str, Coordinates]()
    arrivals = [Arrival(f"e{number}", "taipei", message(user_id(1), at=CLOCKS_GO_BACK)) for number in range(3)]
    first, dead, third = records_of(arrivals, 0)
    asyncio.run(Insights(counters, claims).consume([first, third]))
    replayed = Record(
        Coordinates(retry_topic("insights"), 0, 0), None, dead.value, dead.headers, dead.written_at, dead.origin
    )

    for _ in range(2):
        asyncio.run(Insights(counters, claims).consume([replayed]))

    assert counters.totals() == clean_pass([arrivals])


def test_an_account_that_is_not_served_is_left_out_and_the_others_are_counted() -> None:
    counters = MemoryCounters()
    known = Arrival("e1", "taipei", follow(user_id(1), CLOCKS_GO_BACK))
    foreign = Arrival("e2", "elsewhere", event("follow", user_id(2), CLOCKS_GO_BACK))

    asyncio.run(Insights(counters, {}).consume(records_of([foreign, known], 0)))

    assert counters.totals() == clean_pass([[known]])
