"""An answer's way to LINE: reply, push once, and every crash between (on the real store, with LINE scripted)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from shared.answers import ANSWER, AnswerCourier, AnswerMetrics
from shared.answers.model import NEW, PUSH
from shared.answers.store import LAST_RESTORE, RESTORES, AnswerStates
from shared.channels import Channel, Channels
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Outcome, QuotaExhausted, RateLimited, Rejected, Unauthorised, Unknown
from shared.line.prepared import PreparedCall, retry_key
from shared.mongo import Database, Document
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer, Record

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
STALE = Rejected(400, "Invalid reply token")
LOST = Unknown("timeout", may_have_been_accepted=True)
REFUSED = Unknown("no_connection", may_have_been_accepted=False)


@dataclass
class ScriptedLine:
    """Answers calls from a list, and remembers them."""

    outcomes: list[Outcome]
    calls: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def sending(self) -> ScriptedLine:
        return self

    @property
    def users(self) -> ScriptedLine:
        return self

    async def reply(self, channel: str, token: str, messages: Any, **about: Any) -> Outcome:
        self.calls.append(("reply", about["attempted_before"]))
        return self.outcomes.pop(0)

    async def send(self, prepared: PreparedCall, **about: Any) -> Outcome:
        self.calls.append((prepared.api, prepared.retry_key))
        return self.outcomes.pop(0)

    async def profile(self, channel: str, user_id: str) -> None:
        return None


class Collected:
    """Takes publications in the producer's place."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def send_all(self, records: list[Record], timeout: float) -> None:
        self.records += records


@dataclass
class Desk:
    """A member with one pending answer, a clock and a scripted LINE."""

    database: Database
    line: ScriptedLine
    sent: Collected = field(default_factory=Collected)
    now: datetime = NOON
    ends: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.members = self.database["members"]
        channel = Channel.model_validate(
            {
                "slug": "shop",
                "name": "Shop",
                "destination": "U" + "0" * 32,
                "basic_id": "@shop",
                "channel_secret": "s",
                "access_token": "t",
                "timezone": "Asia/Taipei",
                "language": "en",
            }
        )
        registry = CollectorRegistry()
        self.outbox = Outbox(
            self.members, cast(Producer, self.sent), self._deliver, OutboxMetrics(registry), lambda: self.now
        )
        self.courier = AnswerCourier(
            "binding",
            AnswerStates(self.members),
            self.outbox,
            cast(LineClient, self.line),
            Channels([channel]),
            AnswerMetrics(registry),
            lambda: self.now,
            ended=self._note_end,
        )

    async def _deliver(self, document_id: str, item: Document) -> bool:
        return await self.courier.deliver(document_id, item)

    async def _note_end(self, document_id: str, item: Document, end: str, request_id: str | None) -> None:
        self.ends.append((document_id, item["id"], end, request_id))

    async def ask(self, **changes: Any) -> None:
        """Put an answer onto a member."""
        item = {
            "id": "evt.greeting",
            "do": ANSWER,
            "purpose": "greeting",
            "messages": [{"type": "text", "text": "Hello {name}"}],
            "contact": "shop:U" + "1" * 32,
            "event_id": "evt",
            "expires_at": NOON + timedelta(hours=1),
            "received_at": NOON,
            "reply_token": "token",
            "state": NEW,
            "attempted_at": None,
        }
        await self.members.insert_one({"_id": "m", "pending": [item | changes], "pending_since": NOON})

    async def dispatch(self, after: float = 0) -> str | None:
        """Dispatch some seconds later and return the state of the answer, None once it has left."""
        self.now += timedelta(seconds=after)
        await self.outbox.dispatch("m")
        document = await self.members.find_one({"_id": "m"})
        pending = (document or {})["pending"]
        return pending[0]["state"] if pending else None

    @property
    def told(self) -> int:
        """How many messages were told on line.sent."""
        return len(self.sent.records)


@pytest.fixture
async def desk(database: Database) -> Desk:
    return Desk(database, ScriptedLine([]))


async def test_a_fresh_token_is_replied_with_and_told_once(desk: Desk) -> None:
    desk.line.outcomes = [Accepted("r1")]
    await desk.ask()
    assert await desk.dispatch() is None
    assert (desk.line.calls, desk.told) == ([("reply", False)], 1)
    assert desk.ends == [("m", "evt.greeting", "reply", "r1")]
    assert await desk.dispatch(60) is None
    assert desk.told == 1


async def test_a_stale_token_is_pushed_once_under_one_key(desk: Desk) -> None:
    desk.line.outcomes = [STALE, LOST, Accepted("r2", duplicate=True)]
    await desk.ask()
    assert await desk.dispatch() == PUSH
    assert await desk.dispatch(20) is None
    assert desk.line.calls == [
        ("reply", False),
        ("push", retry_key("evt.greeting")),
        ("push", retry_key("evt.greeting")),
    ]
    assert desk.told == 1


async def test_an_unknown_reply_is_tried_again_while_its_token_is_young_and_never_pushed(desk: Desk) -> None:
    desk.line.outcomes = [LOST, Accepted("r1", duplicate=True)]
    await desk.ask()
    assert await desk.dispatch() == "sending"
    assert await desk.dispatch(5) == "sending"
    assert await desk.dispatch(15) is None
    assert (desk.line.calls, desk.told) == ([("reply", False), ("reply", True)], 1)


async def test_an_unknown_reply_whose_token_grew_old_stays_unsettled(desk: Desk) -> None:
    desk.line.outcomes = [LOST]
    await desk.ask()
    await desk.dispatch()
    assert await desk.dispatch(51) is None
    assert (desk.line.calls, desk.told) == ([("reply", False)], 0)


@pytest.mark.parametrize("trouble", [RateLimited(), Unauthorised(), REFUSED])
async def test_what_line_did_not_take_waits_and_is_replied_later(desk: Desk, trouble: Outcome) -> None:
    desk.line.outcomes = [trouble, Accepted("r1")]
    await desk.ask()
    assert await desk.dispatch() == NEW
    assert await desk.dispatch(5) is None
    assert (desk.line.calls, desk.told) == ([("reply", False), ("reply", False)], 1)


async def test_a_call_of_another_process_under_way_is_not_made_twice(desk: Desk) -> None:
    await desk.ask(state="sending", attempted_at=NOON)
    assert await desk.dispatch(3) == "sending"
    assert desk.line.calls == []


async def test_a_process_that_died_in_its_call_is_taken_over_from(desk: Desk) -> None:
    desk.line.outcomes = [Accepted("r1", duplicate=True)]
    await desk.ask(state="sending", attempted_at=NOON)
    assert await desk.dispatch(16) is None
    assert (desk.line.calls, desk.told) == ([("reply", True)], 1)


@pytest.mark.parametrize(("state", "outcomes"), [(NEW, []), (PUSH, [])])
async def test_nothing_is_sent_an_hour_after_the_event(desk: Desk, state: str, outcomes: list[Outcome]) -> None:
    desk.line.outcomes = outcomes
    await desk.ask(state=state)
    assert await desk.dispatch(3601) is None
    assert (desk.line.calls, desk.told) == ([], 0)


@pytest.mark.parametrize("end", [Rejected(400, "The request body has 1 error(s)"), QuotaExhausted()])
async def test_a_refused_push_ends_and_does_not_stand_in_the_way(desk: Desk, end: Outcome) -> None:
    desk.line.outcomes = [end]
    await desk.ask(state=PUSH)
    assert await desk.dispatch() is None
    assert desk.told == 0
    assert [ended[2] for ended in desk.ends] == ["rejected" if isinstance(end, Rejected) else "quota"]


async def test_an_answer_of_an_account_no_longer_served_is_let_go(desk: Desk) -> None:
    await desk.ask(contact="closed:U" + "1" * 32)
    assert await desk.dispatch() is None
    assert desk.line.calls == []


async def test_what_came_in_before_a_restore_is_answered_by_nobody(database: Database) -> None:
    desk = Desk(database, ScriptedLine([]))
    await database[RESTORES].insert_one({"_id": LAST_RESTORE, "at": NOON + timedelta(minutes=1)})
    await desk.ask()

    await desk.dispatch()

    assert [end for *_, end, _ in desk.ends] == ["unsettled"]
    assert await desk.members.find_one({"_id": "m", "pending": []}) is not None
