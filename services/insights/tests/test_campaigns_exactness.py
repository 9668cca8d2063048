"""Campaigns and the desk: whatever is delivered twice, cut anew or killed between writes, one clean pass's result."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric

from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import READERS
from services.insights.tests.memory import Killed, MemoryCounters
from shared.clock import utcnow
from shared.consumer import Coordinates, Record
from shared.events import (
    CampaignFrozen,
    CampaignStateChanged,
    ChunkAccepted,
    ChunkFailed,
    ConversationClosed,
    Fact,
    LinkClicked,
    RecipientBlocked,
    TicketOpened,
    TicketReplied,
    TicketStateChanged,
    encode,
)
from shared.topics import CAMPAIGN_EVENTS, TICKET_EVENTS, WEB_EVENTS

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
CAMPAIGNS = ("cmp_a", "cmp_b")
Maker = Callable[[st.DrawFn, dict[str, Any]], Fact]


def small(draw: st.DrawFn) -> int:
    return draw(st.integers(0, 500))


def campaign_fact(draw: st.DrawFn, about: dict[str, Any]) -> Fact:
    about = about | {"campaign": draw(st.sampled_from(CAMPAIGNS))}
    skipped = draw(st.dictionaries(st.sampled_from(["blocked", "gone"]), st.integers(0, 9), max_size=2))
    makers: list[Callable[[], Fact]] = [
        lambda: CampaignStateChanged(state=f"s{small(draw)}", by="dev", name="A", version=small(draw), **about),
        lambda: CampaignFrozen(recipients=small(draw), chunks=1, skipped=skipped, **about),
        lambda: ChunkAccepted(chunk=0, recipients=small(draw), skipped=skipped, **about),
        lambda: ChunkFailed(chunk=0, recipients=small(draw), skipped=skipped, end="unknown", **about),
        lambda: RecipientBlocked(contact="taipei:U1", **about),
    ]
    return draw(st.sampled_from(makers))()


def click_fact(draw: st.DrawFn, about: dict[str, Any]) -> Fact:
    return LinkClicked(
        link=draw(st.sampled_from(["cmp_a.0", "cmp_a.1", "cmp_b.0", "menu"])),
        url="https://x/",
        visitor=draw(st.sampled_from(["v1", "v2", "v3"])),
        member=draw(st.sampled_from([None, "mbr_1", "mbr_2"])),
        robot=draw(st.booleans()),
        **about,
    )


def desk_fact(draw: st.DrawFn, about: dict[str, Any]) -> Fact:
    ticket = about | {"contact": "taipei:U1", "ticket": "tkt_1", "number": 1}
    seconds = draw(st.floats(0, 1e6))
    makers: list[Callable[[], Fact]] = [
        lambda: TicketOpened(kind="repair", by="repair", **ticket),
        lambda: TicketReplied(by="dev", first_response_seconds=seconds, **ticket),
        lambda: TicketStateChanged(
            kind="repair", state="closed", previous="ready", by="dev", resolution_seconds=seconds, **ticket
        ),
        lambda: ConversationClosed(contact="taipei:U1", opening=1, by="dev", resolution_seconds=seconds, **about),
    ]
    return draw(st.sampled_from(makers))()


MAKERS: dict[str, Maker] = {CAMPAIGN_EVENTS: campaign_fact, WEB_EVENTS: click_fact, TICKET_EVENTS: desk_fact}


@st.composite
def logs(draw: st.DrawFn) -> list[list[Record]]:
    """A partition of each topic, in which some facts stand again under a new offset."""
    partitions = []
    for topic, make in MAKERS.items():
        facts: list[Fact] = []
        for number in range(draw(st.integers(0, 8))):
            at = NOON + timedelta(minutes=draw(st.integers(0, 3000)))
            facts.append(make(draw, {"id": f"{topic}-{number}", "channel": "taipei", "occurred_at": at}))
            if draw(st.booleans()):
                facts.append(draw(st.sampled_from(facts)))
        partitions.append([record(topic, offset, fact) for offset, fact in enumerate(facts)])
    return partitions


def record(topic: str, offset: int, fact: Fact) -> Record:
    at = Coordinates(topic, 0, offset)
    return Record(at, None, encode(fact), (("event-id", fact.id.encode()),), utcnow(), at)


class Insights:
    """Insights with everything but Kafka and the store: claims, and the handler."""

    def __init__(self) -> None:
        self.counters = MemoryCounters()
        self.claims: dict[str, Coordinates] = {}
        skipped = Metric("skipped", "", ["topic"], registry=CollectorRegistry())
        self.deps = CountDeps(self.counters, lambda _: UTC, skipped)

    def consume(self, records: Sequence[Record]) -> None:
        kept = [item for item in records if self.claims.setdefault(str(item.event_id), item.origin) == item.origin]
        if kept:
            asyncio.run(count(kept, READERS[kept[0].topic], self.deps))

    @property
    def result(self) -> tuple[Counter[tuple[str, str, str, str]], object, object]:
        # Which of two states of one version came first is the log's, not of how it was cut: versions are compared.
        versions = {key: news.version for key, news in self.counters.campaigns.items()}
        return self.counters.totals(), self.counters.clickers, versions


def lives_for(writes: int) -> Callable[[], bool]:
    left = iter(range(writes))
    return lambda: next(left, None) is not None


@settings(max_examples=100)
@given(log=logs(), data=st.data())
def test_killed_at_any_write_and_read_again_it_ends_at_one_clean_pass(
    log: list[list[Record]], data: st.DataObject
) -> None:
    clean, troubled = Insights(), Insights()
    for partition in log:
        for item in partition:
            clean.consume([item])
        position, troubles = 0, 0
        while position < len(partition):
            batch = partition[position : position + data.draw(st.integers(1, 6), label="batch")]
            lives = data.draw(st.integers(0, 12), label="writes until killed") if troubles < 3 else 1000
            troubled.counters.survives = lives_for(lives)
            try:
                troubled.consume(batch)
            except Killed:
                troubles += 1
                position = data.draw(st.integers(0, position), label="committed")
            else:
                position += len(batch)
        troubled.counters.survives = lambda: True
        troubled.consume(partition)

    assert troubled.result == clean.result
