"""The oracle finds what is lost and what came twice, wherever it is, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.line.prepared import retry_key
from tests.faults.ledger import Ledger, Sent
from tests.faults.oracle import Observed, Verdict, judge

FOLLOW = Sent("E1", "follow", "cafe", "U1", answers=[200])
TEXT = Sent("E2", "text", "cafe", "U2", "7", [503, 200])
WORD = Sent("E3", "word", "cafe", "U2", "8", [None])
"""Nobody answered it, and it is stored nevertheless."""
NEVER = Sent("E4", "follow", "cafe", "U4", answers=[503])


def accept(event_id: str | None, key: str | None = None) -> dict[str, Any]:
    """A reply to an event, or a push under a retry key."""
    api = "reply" if event_id else "push"
    return {"webhook_event_id": event_id, "retry_key": key, "api": api, "channel": "cafe"}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger({event.id: event for event in (FOLLOW, TEXT, WORD, NEVER)})


@pytest.fixture
def observed() -> Observed:
    """Everything as it must be, the greeting pushed."""
    return Observed(
        stored=Counter({"E1": 1, "E2": 2, "E3": 1}),
        accepts=[accept(None, retry_key("E1.greeting")), accept("E3")],
        messages={"cafe:7": "E2", "cafe:8": "E3"},
        unread={"cafe:U2": 2},
        members={"cafe:U1": True, "cafe:U2": None},
        people={"cafe:U1"},
        counted=Counter(
            {("cafe", "adds"): 1, ("cafe", "followed"): 1, ("cafe", "messages_in"): 2, ("cafe", "sent_calls"): 2}
        ),
        told={"m1": (3, 3)},
    )


def test_what_is_as_it_must_be_is_clean(ledger: Ledger, observed: Observed) -> None:
    verdict = judge(ledger, observed)
    assert verdict.clean
    assert verdict.effects == 16


def _add(observed: Observed, accepted: dict[str, Any]) -> None:
    observed.accepts = [*observed.accepts, accepted]
    observed.counted["cafe", "sent_calls"] += 1


LOST: dict[str, Callable[[Observed], Any]] = {
    "an accepted event that is not stored": lambda o: o.stored.pop("E2"),
    "a greeting": lambda o: setattr(o, "accepts", o.accepts[1:]),
    "an answer": lambda o: setattr(o, "accepts", o.accepts[:1]),
    "a message": lambda o: o.messages.pop("cafe:7"),
    "a message under another event": lambda o: o.messages.update({"cafe:7": "E9"}),
    "a message of a conversation": lambda o: o.unread.update({"cafe:U2": 1}),
    "a member": lambda o: o.members.pop("cafe:U2"),
    "a friend": lambda o: o.members.update({"cafe:U1": None}),
    "a friend for broadcast": lambda o: o.people.clear(),
    "a count": lambda o: o.counted.subtract({("cafe", "adds"): 1}),
    "the newest snapshot": lambda o: o.told.update({"m1": (2, 3)}),
    "a record that became a dead letter": lambda o: setattr(o, "letters", 1),
}


@pytest.mark.parametrize("what", LOST)
def test_it_finds_what_is_lost(what: str, ledger: Ledger, observed: Observed) -> None:
    LOST[what](observed)
    assert judge(ledger, observed).lost


TWICE: dict[str, Callable[[Observed], Any]] = {
    "a reply after the push": lambda o: _add(o, accept("E1")),
    "two replies": lambda o: _add(o, accept("E3")),
    "an answer to a text that has none": lambda o: _add(o, accept("E2")),
    "an answer to an event that was never stored": lambda o: _add(o, accept(None, retry_key("E4.greeting"))),
    "a message taken in twice": lambda o: o.unread.update({"cafe:U2": 3}),
    "a count": lambda o: o.counted.update({("cafe", "messages_in"): 1}),
    "a count of an account that nobody wrote to": lambda o: o.counted.update({("shop", "adds"): 1}),
}


@pytest.mark.parametrize("what", TWICE)
def test_it_finds_what_came_twice(what: str, ledger: Ledger, observed: Observed) -> None:
    TWICE[what](observed)
    verdict = judge(ledger, observed)
    assert verdict.twice
    assert not verdict.lost


@pytest.mark.parametrize("accepted", [False, True])
def test_a_reply_of_which_nobody_knows_is_counted_apart(accepted: bool, ledger: Ledger, observed: Observed) -> None:
    observed.unsettled = {"E3"}
    observed.accepts = observed.accepts if accepted else observed.accepts[:1]
    observed.counted["cafe", "sent_calls"] -= 1
    verdict: Verdict = judge(ledger, observed)
    assert (verdict.clean, verdict.unsettled) == (True, 1)


def test_a_reply_of_which_nobody_knows_may_not_come_twice(ledger: Ledger, observed: Observed) -> None:
    observed.unsettled = {"E3"}
    _add(observed, accept("E3"))
    assert judge(ledger, observed).twice
