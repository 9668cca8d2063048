"""The oracle: what was answered 200 has each of its effects exactly once, what was not has each at most once. Pure.

An event that was not answered 200 may be stored nevertheless; once Kafka has it, it is owed its effects like any other.
So ingest is judged by what was accepted, and everything behind it by what line.events holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.line.prepared import retry_key
from tests.faults.ledger import ANSWERED_AS, Ledger, Sent

COUNTERS = ("adds", "messages_in", "followed", "sent_calls")
"""Insights' counters that are compared: of LINE's events, of binding's facts, of what was sent."""


@dataclass
class Observed:
    """What is there at the end, of a ledger's events.

    stored: by event id, its records on line.events.
    accepts: LINE's accept log since the beginning.
    messages: by stored id of a message of the desk, the event it came with.
    unread: by contact, how many messages its conversation took in.
    members: by contact, whether binding's member stands as a friend, None where it is only known.
    people: contacts that broadcast knows as friends.
    counted: by account and counter, how much was added since the beginning.
    told: by member, the version that member.state holds last, and the highest that it holds.
    unsettled: events whose reply ended without anybody knowing how (documented: not sent again, and not told of).
    letters: dead letters since the beginning.
    """

    stored: Counter[str] = field(default_factory=Counter)
    accepts: Sequence[Mapping[str, Any]] = ()
    messages: dict[str, str | None] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    members: dict[str, bool | None] = field(default_factory=dict)
    people: set[str] = field(default_factory=set)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: dict[str, tuple[int, int]] = field(default_factory=dict)
    unsettled: Collection[str] = ()
    letters: int = 0


@dataclass
class Verdict:
    """How many effects there had to be and are, and each difference in words; never a user id."""

    effects: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    unsettled: int = 0

    def exactly(self, what: str, wanted: int, found: int) -> None:
        """Compare a number of effects."""
        self.effects += min(wanted, found)
        self.lost += [what] * max(0, wanted - found)
        self.twice += [what] * max(0, found - wanted)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and nothing came twice."""
        return not self.lost and not self.twice


def judge(ledger: Ledger, observed: Observed) -> Verdict:
    """Compare the ledger with what is there."""
    verdict = Verdict()
    missing = ledger.accepted - observed.stored.keys()
    verdict.lost += [f"event {event_id} was answered 200 and is not on line.events" for event_id in sorted(missing)]
    verdict.lost += ["a record became a dead letter"] * observed.letters
    stored = [event for event in ledger.events.values() if event.id in observed.stored]
    answers = _answers(ledger, observed)
    _judge_answers(stored, answers, observed, verdict)
    _judge_desk(stored, observed, verdict)
    _judge_people(stored, observed, verdict)
    _judge_counters(stored, answers, observed, verdict)
    return verdict


def _answers(ledger: Ledger, observed: Observed) -> Counter[str]:
    """Count by event what LINE accepted: replies to it, and pushes under the retry key of its own answer."""
    pushes = {retry_key(f"{sent.id}.{purpose}"): sent for sent, purpose in _answered(ledger.events.values())}
    found: Counter[str] = Counter()
    for accept in observed.accepts:
        sent = ledger.events.get(accept["webhook_event_id"] or "") or pushes.get(accept["retry_key"] or "")
        if sent is not None:
            found[sent.id] += 1
    return found


def _judge_answers(stored: Iterable[Sent], answers: Counter[str], observed: Observed, verdict: Verdict) -> None:
    """Every greeting and automatic answer left once."""
    expected = {sent.id: purpose for sent, purpose in _answered(stored)}
    for event_id, purpose in expected.items():
        if event_id in observed.unsettled and answers[event_id] < 2:
            verdict.unsettled += 1
        else:
            verdict.exactly(f"{purpose} of event {event_id}", 1, answers[event_id])
    for event_id in answers.keys() - expected.keys():
        if answers[event_id]:
            verdict.twice.append(f"an answer to event {event_id} that is owed none")


def _answered(events: Iterable[Sent]) -> list[tuple[Sent, str]]:
    return [(sent, purpose) for sent in events if (purpose := ANSWERED_AS[sent.kind]) is not None]


def _judge_desk(stored: Iterable[Sent], observed: Observed, verdict: Verdict) -> None:
    """Every message is kept, and its conversation took it in once."""
    taken_in: Counter[str] = Counter()
    for sent in stored:
        if sent.message_id is not None:
            found = observed.messages.get(f"{sent.channel}:{sent.message_id}") == sent.id
            verdict.exactly(f"message of event {sent.id}", 1, int(found))
            taken_in[sent.contact] += 1
    for n, (contact, count) in enumerate(sorted(taken_in.items())):
        verdict.exactly(f"message in conversation {n}", count, observed.unread.get(contact, 0))


def _judge_people(stored: Iterable[Sent], observed: Observed, verdict: Verdict) -> None:
    """Everybody is a member, who followed is a friend for binding and for broadcast, the newest snapshot came last."""
    for sent in {sent.contact: sent for sent in stored}.values():
        verdict.exactly(f"member of event {sent.id}", 1, int(sent.contact in observed.members))
        if sent.kind == "follow":
            verdict.exactly(f"friend of event {sent.id}", 1, int(bool(observed.members.get(sent.contact))))
            verdict.exactly(f"audience of event {sent.id}", 1, int(sent.contact in observed.people))
    for n, (last, highest) in enumerate(observed.told.values()):
        if last != highest:
            verdict.lost.append(f"snapshot {highest} of member {n}: version {last} was published after it")


def _judge_counters(stored: Iterable[Sent], answers: Counter[str], observed: Observed, verdict: Verdict) -> None:
    """Insights counts each event, each fact and each sent message once; of an unsettled one nobody could tell it."""
    wanted: Counter[tuple[str, str]] = Counter()
    for sent in stored:
        if sent.kind == "follow":
            wanted[sent.channel, "adds"] += 1
            wanted[sent.channel, "followed"] += 1
        else:
            wanted[sent.channel, "messages_in"] += 1
    for accept in observed.accepts:
        if accept["api"] in {"reply", "push"}:
            wanted[accept["channel"], "sent_calls"] += 1
    for sent in stored:
        if sent.id in observed.unsettled:
            wanted[sent.channel, "sent_calls"] -= answers[sent.id]
    for channel, name in sorted(wanted.keys() | {key for key in observed.counted if key[1] in COUNTERS}):
        verdict.exactly(f"{name} of {channel}", wanted[channel, name], observed.counted[channel, name])
