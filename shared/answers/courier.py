"""Sending an answer: by reply token, else pushed once; each end of it told on line.sent (design §6)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from shared import topics
from shared.answers.model import NEW, PUSH, SENDING, expired, fill_name, token_fresh, wants_name
from shared.answers.store import AnswerStates
from shared.channels import Channels
from shared.clock import Now
from shared.events import MessageSent
from shared.ids import split_contact, stable_uuid
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Outcome, QuotaExhausted, Rejected, Unknown
from shared.line.prepared import prepare_push
from shared.line.users import Profile
from shared.mongo import Document
from shared.outbox import Outbox, publication

logger = logging.getLogger(__name__)

IN_CALL = timedelta(seconds=15)
"""For so long an attempt may still be under way in another process; later it died there."""


Ended = Callable[[str, Document, str, str | None], Awaitable[None]]
"""Told of an answer's end, before it leaves the outbox: the document's id, the item, the end (as counted), LINE's
request id. It may be told twice."""

MemberOf = Callable[[str, Document], str | None]
"""Names the member of an item, from its document's id and itself, for line.sent."""


class AnswerMetrics:
    """What is counted of a process's answers, whichever outbox they are on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ends = Counter(
            "answers",
            "Answers by purpose and end: reply, push, expired, rejected, quota, unsettled, not_served.",
            ["purpose", "end"],
            registry=registry,
        )


class AnswerCourier:
    """Delivers answers of one outbox.

    Args:
        service: who speaks, for line.sent.
        states: of the outbox's collection.
        outbox: where the answers are.
        line: LINE.
        channels: the accounts.
        metrics: shared by all couriers of the process.
        now: the clock.
        ended: told of every end.
        member_of: names the member of an item.
    """

    def __init__(
        self,
        service: str,
        states: AnswerStates,
        outbox: Outbox,
        line: LineClient,
        channels: Channels,
        metrics: AnswerMetrics,
        now: Now,
        *,
        ended: Ended | None = None,
        member_of: MemberOf | None = None,
    ) -> None:
        self._service = service
        self._states = states
        self._outbox = outbox
        self._line = line
        self._channels = channels
        self._count = metrics.ends
        self._now = now
        self._ended = ended
        self._member_of = member_of

    async def deliver(self, document_id: str, item: Document) -> bool:
        """Take an answer one step on; False where it must wait."""
        now = self._now()
        if self._channels.get(split_contact(item["contact"])[0]) is None:
            return await self._end(document_id, item, "not_served")
        if item["state"] == SENDING:
            return await self._resume(document_id, item, now)
        if expired(item, now):
            return await self._end(document_id, item, "expired")
        if item["received_at"] <= await self._states.restored_at():
            return await self._end(document_id, item, "unsettled")
        if item["state"] == PUSH:
            return await self._begin_push(document_id, item, now)
        if not await self._states.move(document_id, item, SENDING, now, await self._final(item)):
            return False
        return await self._reply(document_id, item, first=True)

    async def _resume(self, document_id: str, item: Document, now: datetime) -> bool:
        """Take up an attempt whose outcome nobody knows: its process died, or LINE did not answer."""
        if now - item["attempted_at"] < IN_CALL:
            return False
        if not token_fresh(item, now):
            return await self._end(document_id, item, "unsettled")
        if not await self._states.move(document_id, item, SENDING, now):
            return False
        return await self._reply(document_id, item, first=False)

    async def _begin_push(self, document_id: str, item: Document, now: datetime) -> bool:
        attempted_at: datetime | None = item["attempted_at"]
        if attempted_at is None and not await self._states.move(document_id, item, PUSH, now, await self._final(item)):
            return False
        return await self._push(document_id, item, attempted_at)

    async def _final(self, item: Document) -> list[Document]:
        channel, user_id = split_contact(item["contact"])
        name = None
        if wants_name(item["messages"]):
            profile = await self._line.users.profile(channel, user_id)
            name = profile.display_name if isinstance(profile, Profile) else None
        return fill_name(item["messages"], name, self._channels[channel].language)

    async def _reply(self, document_id: str, item: Document, *, first: bool) -> bool:
        channel, _ = split_contact(item["contact"])
        outcome = await self._line.sending.reply(
            channel,
            item["reply_token"],
            item["messages"],
            received_at=item["received_at"],
            attempted_before=not first,
        )
        match outcome:
            case Accepted(request_id=request_id):
                return await self._sent(document_id, item, "reply", request_id)
            case Rejected(invalid_reply_token=True):
                return await self._states.move(document_id, item, PUSH, None)
            case Rejected():
                return await self._refused(document_id, item, outcome)
            case _ if not outcome.may_have_been_accepted:
                await self._states.move(document_id, item, NEW, None)
        return False

    async def _push(self, document_id: str, item: Document, attempted_at: datetime | None) -> bool:
        channel, user_id = split_contact(item["contact"])
        prepared = prepare_push(channel, user_id, item["messages"], sent_id=item["id"])
        outcome: Outcome = await self._line.sending.send(prepared, first_attempt_at=attempted_at)
        match outcome:
            case Accepted(request_id=request_id):
                return await self._sent(document_id, item, "push", request_id)
            case Rejected():
                return await self._refused(document_id, item, outcome)
            case QuotaExhausted(may_have_been_accepted=False):
                return await self._end(document_id, item, "quota")
            case Unknown(reason="retry_key_expired"):
                return await self._end(document_id, item, "unsettled")
        return False

    async def _sent(
        self, document_id: str, item: Document, api: Literal["reply", "push"], request_id: str | None
    ) -> bool:
        self._count.labels(item["purpose"], api).inc()
        if self._ended is not None:
            await self._ended(document_id, item, api, request_id)
        channel, _ = split_contact(item["contact"])
        event = MessageSent(
            id=f"snt_{stable_uuid('sent', item['id']).hex}",
            channel=channel,
            occurred_at=self._now(),
            api=api,
            kind=item["purpose"],
            service=self._service,
            contact=item["contact"],
            member=self._member_of(document_id, item) if self._member_of else None,
            origin=item["event_id"],
            messages=len(item["messages"]),
            request_id=request_id,
        )
        told = publication(topics.LINE_SENT, item["contact"], event, event.id)
        await self._outbox.replace(document_id, item["id"], told)
        return True

    async def _refused(self, document_id: str, item: Document, outcome: Rejected) -> bool:
        logger.error(
            "LINE refused an answer",
            extra={"purpose": item["purpose"], "status": outcome.status, "event_id": item["event_id"]},
        )
        return await self._end(document_id, item, "rejected")

    async def _end(self, document_id: str, item: Document, end: str) -> bool:
        self._count.labels(item["purpose"], end).inc()
        if end in {"unsettled", "quota"}:
            logger.warning("an answer ended", extra={"end": end, "event_id": item["event_id"]})
        if self._ended is not None:
            await self._ended(document_id, item, end, None)
        await self._outbox.remove(document_id, [item["id"]])
        return True
