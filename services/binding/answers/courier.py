"""Sending an answer: by reply token, else pushed once; each end of it told on line.sent (design §6)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Literal

from prometheus_client import CollectorRegistry, Counter

from services.binding.answers.model import NEW, PUSH, SENDING, expired, fill_name, token_fresh
from services.binding.answers.store import AnswerStates
from shared import topics
from shared.channels import Channels
from shared.clock import Now
from shared.events import MessageSent
from shared.ids import split_contact, stable_uuid
from shared.line import builders
from shared.line.client import LineClient
from shared.line.outcomes import Accepted, Outcome, QuotaExhausted, Rejected
from shared.line.users import Profile
from shared.mongo import Document
from shared.outbox import Outbox, publication

logger = logging.getLogger(__name__)

IN_CALL = timedelta(seconds=15)
"""For so long an attempt may still be under way in another process; later it died there."""


class AnswerCourier:
    """Delivers answers."""

    def __init__(
        self,
        states: AnswerStates,
        outbox: Outbox,
        line: LineClient,
        channels: Channels,
        registry: CollectorRegistry,
        now: Now,
    ) -> None:
        self._states = states
        self._outbox = outbox
        self._line = line
        self._channels = channels
        self._now = now
        self._count = Counter(
            "answers",
            "Answers by purpose and end: reply, push, expired, rejected, quota, unsettled, not_served.",
            ["purpose", "end"],
            registry=registry,
        )

    async def deliver(self, member_id: str, item: Document) -> bool:
        """Take an answer one step on; False where it must wait."""
        now = self._now()
        if self._channels.get(split_contact(item["contact"])[0]) is None:
            return await self._end(member_id, item, "not_served")
        if item["state"] == SENDING:
            return await self._resume(member_id, item, now)
        if expired(item, now):
            return await self._end(member_id, item, "expired")
        text = await self._final_text(item)
        if item["state"] == PUSH:
            if item["attempted_at"] is None and not await self._states.move(member_id, item, PUSH, now, text):
                return False
            return await self._push(member_id, item)
        if not await self._states.move(member_id, item, SENDING, now, text):
            return False
        return await self._reply(member_id, item, first=True)

    async def _resume(self, member_id: str, item: Document, now: datetime) -> bool:
        """Take up an attempt whose outcome nobody knows: its process died, or LINE did not answer."""
        if now - item["attempted_at"] < IN_CALL:
            return False
        if not token_fresh(item, now):
            return await self._end(member_id, item, "unsettled")
        if not await self._states.move(member_id, item, SENDING, now):
            return False
        return await self._reply(member_id, item, first=False)

    async def _final_text(self, item: Document) -> str:
        channel, user_id = split_contact(item["contact"])
        text: str = item["text"]
        name = None
        if "{name}" in text:
            profile = await self._line.users.profile(channel, user_id)
            name = profile.display_name if isinstance(profile, Profile) else None
        return fill_name(text, name, self._channels[channel].language)

    async def _reply(self, member_id: str, item: Document, *, first: bool) -> bool:
        channel, _ = split_contact(item["contact"])
        outcome = await self._line.sending.reply(
            channel,
            item["reply_token"],
            [builders.text(item["text"])],
            received_at=item["received_at"],
            attempted_before=not first,
        )
        match outcome:
            case Accepted(request_id=request_id):
                return await self._sent(member_id, item, "reply", request_id)
            case Rejected(invalid_reply_token=True):
                return await self._states.move(member_id, item, PUSH, None)
            case Rejected():
                return await self._refused(member_id, item, outcome)
            case _ if not outcome.may_have_been_accepted:
                await self._states.move(member_id, item, NEW, None)
        return False

    async def _push(self, member_id: str, item: Document) -> bool:
        channel, user_id = split_contact(item["contact"])
        messages = [builders.text(item["text"])]
        outcome: Outcome = await self._line.sending.push(channel, user_id, messages, sent_id=item["id"])
        match outcome:
            case Accepted(request_id=request_id):
                return await self._sent(member_id, item, "push", request_id)
            case Rejected():
                return await self._refused(member_id, item, outcome)
            case QuotaExhausted(may_have_been_accepted=False):
                return await self._end(member_id, item, "quota")
        return False

    async def _sent(
        self, member_id: str, item: Document, api: Literal["reply", "push"], request_id: str | None
    ) -> bool:
        self._count.labels(item["purpose"], api).inc()
        channel, _ = split_contact(item["contact"])
        event = MessageSent(
            id=f"snt_{stable_uuid('sent', item['id']).hex}",
            channel=channel,
            occurred_at=self._now(),
            api=api,
            kind=item["purpose"],
            service="binding",
            contact=item["contact"],
            member=member_id,
            origin=item["event_id"],
            request_id=request_id,
        )
        told = publication(topics.LINE_SENT, item["contact"], event, event.id)
        await self._outbox.replace(member_id, item["id"], told)
        return True

    async def _refused(self, member_id: str, item: Document, outcome: Rejected) -> bool:
        logger.error(
            "LINE refused an answer",
            extra={"purpose": item["purpose"], "status": outcome.status, "event_id": item["event_id"]},
        )
        return await self._end(member_id, item, "rejected")

    async def _end(self, member_id: str, item: Document, end: str) -> bool:
        self._count.labels(item["purpose"], end).inc()
        if end in {"unsettled", "quota"}:
            logger.warning("an answer ended", extra={"end": end, "event_id": item["event_id"]})
        await self._outbox.remove(member_id, [item["id"]])
        return True
