"""Comparing the ledger with what LINE accepted and with what binding knows: what is lost, what came twice. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from musubi.demo.ledger import ACCOUNT_LINK, CAMPAIGN, MENU_APIS, SEND_APIS, Answer, Contact, Ledger

What = Literal["lost", "twice", "uncalled"]


@dataclass(frozen=True)
class Difference:
    """One way in which what is differs from what must be; `count` effects of it."""

    what: What
    text: str
    count: int = 1


@dataclass
class Verdict:
    """The differences found, and how each account's messages left: (account, api, purpose) → accepted calls."""

    differences: list[Difference] = field(default_factory=list)
    sent: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))

    def count(self, what: What) -> int:
        """How many effects were lost, came twice or were not called for."""
        return sum(difference.count for difference in self.differences if difference.what == what)

    def note(self, what: What, text: str, count: int = 1) -> None:
        """Add a difference."""
        self.differences.append(Difference(what, text, count))


def judge_accepts(ledger: Ledger, accepts: Iterable[Mapping[str, Any]]) -> Verdict:
    """Compare answers and menus with LINE's accept log.

    A reply names the event it answers. A push (the fallback of a stale reply token) and the answer to an account link
    do not: they go to an answer of the same recipient that has none yet.
    """
    verdict = Verdict()
    accepts = list(accepts)
    _judge_audience(ledger, accepts, verdict)
    sends: dict[Contact, list[Mapping[str, Any]]] = defaultdict(list)
    menus: set[Contact] = set()
    for entry in accepts:
        for user in entry["to"]:
            contact = (entry["channel"], user)
            if contact in ledger.following:
                if entry["api"] in SEND_APIS:
                    sends[contact].append(entry)
                elif entry["api"] in MENU_APIS:
                    menus.add(contact)
    answers: dict[Contact, list[Answer]] = defaultdict(list)
    for answer in ledger.answers:
        answers[answer.contact].append(answer)
    for contact in ledger.contacts:
        _judge_recipient(contact, answers[contact], sends[contact], ledger, verdict)
    for contact in sorted(ledger.menus - menus, key=lambda contact: ledger.last_event[contact]):
        verdict.note("lost", f"rich menu of {contact[0]} after event {ledger.last_event[contact]}: never linked")
    return verdict


def _judge_audience(ledger: Ledger, accepts: Sequence[Mapping[str, Any]], verdict: Verdict) -> None:
    """Each of the campaign's people is in exactly one accepted multicast, and nobody else is in any."""
    times: Counter[Contact] = Counter()
    for entry in accepts:
        if entry["api"] == "multicast":
            reached = [(entry["channel"], user) for user in entry["to"]]
            times.update(reached)
            verdict.sent[entry["channel"], "multicast", CAMPAIGN] += len(reached)
    missing = ledger.audience - times.keys()
    if missing:
        verdict.note("lost", f"campaign: {len(missing)} of its people are in no accepted request", len(missing))
    again = sum(count - 1 for contact, count in times.items() if contact in ledger.audience)
    if again:
        verdict.note("twice", f"campaign: people are in {again} more accepted requests than one each", again)
    strangers = sum(count for contact, count in times.items() if contact not in ledger.audience)
    if strangers:
        verdict.note("uncalled", f"campaign: {strangers} times sent to somebody it was not for", strangers)


def _judge_recipient(
    contact: Contact,
    answers: Sequence[Answer],
    sends: Sequence[Mapping[str, Any]],
    ledger: Ledger,
    verdict: Verdict,
) -> None:
    missing = list(answers)
    unnamed = []
    for entry in sends:
        event_id = entry["webhook_event_id"]
        answer = next((answer for answer in missing if answer.answers(event_id)), None)
        if answer is not None:
            missing.remove(answer)
            _take(answer, entry, verdict)
        elif any(answer.answers(event_id) for answer in answers):
            verdict.note("twice", f"reply of {contact[0]} to event {event_id}: accepted again (call {_call(entry)})")
        elif event_id in ledger.events:
            verdict.note("uncalled", f"reply of {contact[0]} to event {event_id}: nothing was to be answered")
        else:
            unnamed.append(entry)
    for entry in unnamed:
        answer = _unnamed_answer(entry, missing)
        if answer is None:
            verdict.note("twice", _beyond(contact, entry, answers))
        else:
            missing.remove(answer)
            _take(answer, entry, verdict)
    for answer in missing:
        verdict.note("lost", f"{answer.name}: LINE accepted none")


def _unnamed_answer(entry: Mapping[str, Any], missing: Sequence[Answer]) -> Answer | None:
    """Return which of the missing answers a push, or a reply to an event of unknown id, can be."""
    if entry["api"] == "reply":
        return next((answer for answer in missing if answer.event_id == ACCOUNT_LINK), None)
    return next(iter(missing), None)


def _take(answer: Answer, entry: Mapping[str, Any], verdict: Verdict) -> None:
    verdict.sent[answer.contact[0], entry["api"], answer.purpose] += 1


def _beyond(contact: Contact, entry: Mapping[str, Any], answers: Sequence[Answer]) -> str:
    about = ", ".join(answer.event_id for answer in answers) or "none"
    return f"{entry['api']} of {contact[0]} (call {_call(entry)}) beyond what events {about} ask for"


def _call(entry: Mapping[str, Any]) -> str:
    return str(entry["request_id"])


def judge_members(ledger: Ledger, members: Mapping[Contact, Mapping[str, Any] | None]) -> list[Difference]:
    """Compare what binding knows of everybody with how they stand: friend or not, bound or not, source."""
    found = []
    for contact, following in ledger.following.items():
        after = f"of {contact[0]} after event {ledger.last_event[contact]}"
        member = members[contact]
        if member is None:
            found.append(Difference("lost", f"member {after}: binding has none"))
            continue
        address = next(address for address in member["contacts"] if address["id"] == ":".join(contact))
        if address["following"] is not following:
            found.append(Difference("lost", f"friendship {after}: binding has following={address['following']}"))
        if member["bound"] is not (contact in ledger.bound):
            found.append(Difference("lost", f"binding {after}: binding has bound={member['bound']}"))
        source = ledger.sources.get(contact)
        if source is not None and (address["source"], address["source_basis"]) != (source, "liff"):
            has = f"{address['source']} ({address['source_basis']})"
            found.append(Difference("lost", f"source {source} {after}: binding has {has}"))
    return found


def judge_counts(account: str, wanted: Mapping[str, int], counted: Mapping[str, int]) -> list[Difference]:
    """Compare what insights counted during the story with what happened in it, name by name."""
    found = []
    for name in sorted({*wanted, *counted}):
        more = counted.get(name, 0) - wanted.get(name, 0)
        if more:
            text = f"insights of {account}, {name}: {wanted.get(name, 0)} happened, {counted.get(name, 0)} counted"
            found.append(Difference("twice" if more > 0 else "lost", text, abs(more)))
    return found
