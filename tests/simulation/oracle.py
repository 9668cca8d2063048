"""What must hold in the end, and with each commit on the way there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from shared.topics import LINE_SENT, dlq_topic
from tests.simulation.service import ARRIVALS, BAD, CONTACTS, ENDS, FACTS, SERVICE

if TYPE_CHECKING:
    from tests.simulation.run import Run

UNSURE = frozenset({"unsettled", "expired"})
"""Ends of a reply of which nobody can know whether LINE took it: it may be missing, never there twice."""


def event_of(headers: tuple[tuple[str, bytes], ...]) -> str:
    """Return the event id of a record."""
    return next(value.decode() for name, value in headers if name == "event-id")


def judge_commit(run: Run, tp: TopicPartition, before: int, offset: int) -> None:
    """A committed offset never passes a record without its effect, and never goes back."""
    if offset < before:
        run.world.fail("committed offset goes back", tp.partition, f"{before} to {offset}")
    if tp.topic != ARRIVALS:
        return
    buried = {event_of(record.headers) for record in run.records(dlq_topic(SERVICE))}
    for record in run.log.partitions[tp][before:offset]:
        event_id = event_of(record.headers)
        document = run.store.tables[CONTACTS].get((record.key or b"").decode(), {})
        if event_id not in document.get("effects", ()) and event_id not in buried:
            run.world.fail("committed without effect", event_id, f"offset {record.offset}")


def quiet(run: Run) -> bool:
    """Whether nothing is left to do."""
    if run.world.on_the_way or any(document.get("pending") for document in run.store.tables[CONTACTS].values()):
        return False
    return all(run.group.committed[tp] >= len(run.log.partitions[tp]) for tp in run.group.partitions)


def judge(run: Run) -> None:
    """Compare what came in with effects, messages and facts."""
    first = {event_of(record.headers): record for record in reversed(run.records(ARRIVALS))}
    buried = Counter(event_of(record.headers) for record in run.records(dlq_topic(SERVICE)))
    effects = Counter(event for document in run.store.tables[CONTACTS].values() for event in document["effects"])
    sent = Counter(accepted.text for accepted in run.line.accepted)
    facts = Counter((record.value or b"").decode() for record in run.records(FACTS))
    told = Counter((record.value or b"") for record in run.records(LINE_SENT))
    for event_id, record in first.items():
        bad = record.value == BAD
        if bad and not buried[event_id]:
            run.world.fail("bad record without a letter", event_id)
        if not bad and buried[event_id]:
            run.world.fail("good record among the letters", event_id)
        _once(run, "effect", event_id, effects[event_id], owed=not bad)
        if bool(facts[event_id]) == bad:
            run.world.fail("fact missing" if not bad else "fact too many", event_id)
        _judge_message(run, event_id, record.value or b"", sent[event_id])
    if len(told) < sum(1 for event_id in sent if event_id in first and _end(run, event_id) not in UNSURE):
        run.world.fail("line.sent is missing a message")
    _judge_order(run)


def _end(run: Run, event_id: str) -> str | None:
    end: str | None = run.store.tables[ENDS].get(f"notice-{event_id}", {}).get("end")
    return end


def _judge_message(run: Run, event_id: str, value: bytes, count: int) -> None:
    if value == b"reply" and _end(run, event_id) in UNSURE and count == 0:
        run.world.counts["unsettled replies"] += 1
        return
    _once(run, "message", event_id, count, owed=value in {b"push", b"reply"})


def _once(run: Run, what: str, event_id: str, count: int, *, owed: bool) -> None:
    if count > owed:
        run.world.fail(f"{what} twice" if owed else f"{what} not owed", event_id, f"{count} times")
    elif count < owed:
        run.world.fail(f"{what} lost", event_id)


def _judge_order(run: Run) -> None:
    for key, document in run.store.tables[CONTACTS].items():
        arrived = [event_of(record.headers) for record in run.records(ARRIVALS) if record.key == key.encode()]
        in_order = [event for event in dict.fromkeys(arrived) if event in document["effects"]]
        if list(dict.fromkeys(document["effects"])) != in_order:
            run.world.fail("effects out of order", key)
        published = [(record.value or b"").decode() for record in run.records(FACTS) if record.key == key.encode()]
        if list(dict.fromkeys(published)) != in_order:
            run.world.fail("facts out of order", key)
