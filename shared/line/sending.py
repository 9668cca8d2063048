"""Sending messages: reply, push, multicast, narrowcast, broadcast (LINE platform §2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson

from shared.clock import Now
from shared.line.answers import plain_outcome, reply_outcome, send_outcome
from shared.line.outcomes import Outcome, Unknown
from shared.line.prepared import (
    Message,
    PreparedCall,
    prepare_broadcast,
    prepare_multicast,
    prepare_narrowcast,
    prepare_push,
    reply_body,
)
from shared.line.transport import Call, Gate, Patience, Transport

REPLY_RETRY_AGE = timedelta(seconds=50)
"""An unknown reply is tried again only while its token is younger: LINE lets tokens live about a minute."""
RETRY_KEY_LIFE = timedelta(hours=24) - timedelta(minutes=5)
"""LINE keeps a retry key 24 h from the first attempt, after which it would send again; less a margin for clocks."""


class Sending:
    """Calls that reach people's phones."""

    def __init__(self, transport: Transport, now: Now) -> None:
        self._transport = transport
        self._now = now

    async def send(
        self,
        prepared: PreparedCall,
        *,
        first_attempt_at: datetime | None = None,
        patience: Patience | None = None,
        gate: Gate | None = None,
        recorded: bool = False,
    ) -> Outcome:
        """Send a prepared call, under its retry key from the first attempt on.

        Args:
            prepared: from `shared.line.prepared`.
            first_attempt_at: when an earlier attempt was made or may have been, None for the first. After 24 h the
                outcome is unknown and nothing is sent: LINE has forgotten the key and would deliver twice.
            patience: time limits, else the client's.
            gate: paces attempts or forbids them.
            recorded: the caller keeps the request id of what was accepted, so that no log line need to.
        """
        if first_attempt_at is not None and self._now() - first_attempt_at >= RETRY_KEY_LIFE:
            return Unknown("retry_key_expired", may_have_been_accepted=True)
        call = Call(
            prepared.api,
            "POST",
            f"{self._transport.api_url}/v2/bot/message/{prepared.api}",
            prepared.channel,
            prepared.body,
            retry_key=prepared.retry_key,
            recorded=recorded,
        )
        doubted = first_attempt_at is not None
        return await self._transport.perform(call, send_outcome, patience=patience, gate=gate, doubted=doubted)

    async def reply(
        self,
        channel: str,
        reply_token: str,
        messages: Sequence[Message],
        *,
        received_at: datetime,
        attempted_before: bool = False,
        patience: Patience | None = None,
    ) -> Outcome:
        """Answer an event by its reply token: free of quota, once, within about a minute.

        An attempt without an answer is repeated only while the token is under 50 s old; a refused token then means
        that attempt delivered, which is `Accepted(duplicate=True)`. `Rejected.invalid_reply_token` means nothing was
        delivered and a push may follow; `Unknown` that may have been accepted must not be pushed.

        Args:
            channel: the account's slug.
            reply_token: the event's.
            messages: 1 to 5 message objects.
            received_at: when the webhook with the token arrived.
            attempted_before: whether an attempt is on record, by this process or another.
            patience: time limits, else the client's.

        Raises:
            ValueError: the number of messages is not allowed.
        """

        async def fresh(number: int) -> bool:
            return (number == 0 and not attempted_before) or self._now() - received_at < REPLY_RETRY_AGE

        url = f"{self._transport.api_url}/v2/bot/message/reply"
        call = Call("reply", "POST", url, channel, reply_body(reply_token, messages))
        return await self._transport.perform(
            call, reply_outcome, patience=patience, gate=fresh, doubted=attempted_before
        )

    async def push(
        self, channel: str, to: str, messages: Sequence[Message], *, sent_id: str, unit: str | None = None
    ) -> Outcome:
        """Send to one user, group or room; see `prepare_push`. LINE swallows it for people who blocked the account."""
        return await self.send(prepare_push(channel, to, messages, sent_id=sent_id, unit=unit))

    async def multicast(
        self, channel: str, to: Sequence[str], messages: Sequence[Message], *, sent_id: str, unit: str | None = None
    ) -> Outcome:
        """Send to up to 500 users; see `prepare_multicast`."""
        return await self.send(prepare_multicast(channel, to, messages, sent_id=sent_id, unit=unit))

    async def narrowcast(
        self,
        channel: str,
        messages: Sequence[Message],
        *,
        sent_id: str,
        recipient: Mapping[str, Any] | None = None,
        demographic: Mapping[str, Any] | None = None,
        limit: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Send to audiences; accepted means queued: ask `Narrowcasts.progress` with the request id (keep it)."""
        prepared = prepare_narrowcast(
            channel, messages, sent_id=sent_id, recipient=recipient, demographic=demographic, limit=limit
        )
        return await self.send(prepared)

    async def broadcast(self, channel: str, messages: Sequence[Message], *, sent_id: str) -> Outcome:
        """Send to all friends; keep the request id, the only key to LINE's statistics of it."""
        return await self.send(prepare_broadcast(channel, messages, sent_id=sent_id))

    async def validate(
        self,
        channel: str,
        api: Literal["reply", "push", "multicast", "narrowcast", "broadcast"],
        messages: Sequence[Message],
    ) -> Outcome:
        """Ask LINE whether it would take these messages; sends nothing. `Rejected.details` say what is wrong."""
        url = f"{self._transport.api_url}/v2/bot/message/validate/{api}"
        body = orjson.dumps({"messages": list(messages)})
        return await self._transport.perform(Call(f"validate_{api}", "POST", url, channel, body), plain_outcome)
