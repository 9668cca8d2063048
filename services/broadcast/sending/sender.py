"""Sending for one channel while this process leads it: chunks of running campaigns, by priority, as the pace allows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from services.broadcast.sending.calls import Calls, Job, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.facts import accepted_facts
from services.broadcast.sending.fixing import fix
from services.broadcast.sending.lead import Lead
from services.broadcast.sending.model import Chunk, People, SkipReason
from services.broadcast.sending.orders import Content, Order, Reach
from services.broadcast.sending.pace import Pace
from services.broadcast.sending.queue import End, Fixed
from shared.clock import monotonic
from shared.mongo import is_unavailable

logger = logging.getLogger(__name__)

GLANCE_SECONDS = 0.02
"""How often a busy sender looks whether there is room for more."""
RETAKE_SECONDS = 0.5
"""How often chunks are looked for whose attempt is over."""
IDLE_SECONDS = 0.25
LINGER_SECONDS = 2.0
"""So long without work a channel's lead is kept."""


class ChannelSender:
    """Takes chunks in hand by the handful, each time for the campaigns that run at that moment."""

    def __init__(self, channel: str, tools: Tools, chunks: Chunks, reach: Reach, lead: Lead) -> None:
        self._channel = channel
        self._tools = tools
        self._chunks = chunks
        self._reach = reach
        self._lead = lead
        self._pace = Pace(tools.options.per_second)
        self._calls = Calls(channel, tools, lead, self._pace)
        self._contents: dict[str, Content] = {}
        self._next_retake = 0.0
        self._stopping = False
        self._working = False

    def stop(self) -> None:
        """Ask it to come to an end."""
        self._stopping = True

    async def run(self) -> None:
        """Send until there has been nothing to do for a while, the lead is lost or `stop` is called.

        While the store is away it waits, until its lead is over.
        """
        metrics = self._tools.metrics
        metrics.lead.labels(self._channel).set(1)
        try:
            await self._send()
        finally:
            await self._calls.stop()
            for gauge in (metrics.lead, metrics.progress, metrics.pace):
                gauge.labels(self._channel).set(0)

    async def _send(self) -> None:
        worked = monotonic()
        while self._lead.held and not self._stopping:
            if not self._has_room():
                await self._pause(GLANCE_SECONDS)
                continue
            try:
                orders = await self._orders()
                busy = await self._take_in_hand(orders)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                logger.warning("sending waits for the store", extra={"reason": error.__class__.__name__})
                await self._pause(IDLE_SECONDS)
                continue
            if orders or not self._calls.idle:
                worked = monotonic()
            elif monotonic() - worked > LINGER_SECONDS:
                return
            if not busy:
                await self._rest()

    @property
    def _handful(self) -> int:
        """As many as leave within a sixth of a second: a slow channel claims little ahead."""
        return max(1, min(self._tools.options.handful, int(self._pace.rate / 6)))

    def _has_room(self) -> bool:
        if self._calls.idle:
            return True
        return self._calls.room >= self._handful and self._pace.waiting < self._handful

    async def _rest(self) -> None:
        """Wait for something to do; not longer than until a chunk in hand has ended."""
        ends, room = monotonic() + IDLE_SECONDS, self._calls.room
        while monotonic() < ends and self._calls.room == room:
            await self._pause(GLANCE_SECONDS)

    async def _pause(self, seconds: float) -> None:
        self._tools.metrics.pace.labels(self._channel).set(self._pace.rate)
        await asyncio.sleep(seconds)

    async def _orders(self) -> list[Order]:
        orders = [order for order in await self._tools.orders.running() if order.channel == self._channel]
        orders.sort(key=lambda order: order.priority)
        campaigns = [order.campaign for order in orders]
        self._calls.see(campaigns)
        self._note_work(bool(orders))
        self._contents = {campaign: text for campaign, text in self._contents.items() if campaign in campaigns}
        return orders

    def _note_work(self, there: bool) -> None:
        if there != self._working:
            self._working = there
            since = self._tools.now().timestamp() if there else 0
            self._tools.metrics.progress.labels(self._channel).set(since)

    async def _take_in_hand(self, orders: Sequence[Order]) -> bool:
        """Take a handful of what is due; False where nothing was."""
        if not orders:
            return False
        retaken = await self._retake(orders)
        chunks = await self._pending(orders, min(self._handful, self._calls.room))
        if chunks:
            await self._begin(chunks)
        else:
            await self._finish(orders)
        return bool(retaken or chunks)

    async def _pending(self, orders: Sequence[Order], limit: int) -> list[Chunk]:
        chunks: list[Chunk] = []
        for order in orders:
            if len(chunks) < limit:
                chunks += await self._tools.queue.pending(order.campaign, limit - len(chunks))
        return chunks

    async def _begin(self, chunks: Sequence[Chunk]) -> None:
        """Fix what chunks send, claim them and call LINE for those that are ours."""
        people = await self._tools.queue.people(chunks)
        contacts = list(chain.from_iterable(some.recipients for some in people.values()))
        unreachable = await self._reach.unreachable(contacts) if contacts else {}
        fixes = await self._fix(chunks, people, unreachable)
        await asyncio.gather(*(self._end_empty(fixed) for fixed in fixes if not fixed.recipients))
        bodies = {fixed.chunk.id: fixed for fixed in fixes if fixed.recipients}
        if not bodies:
            return
        deadline, now, until = self._claim()
        for chunk in await self._tools.queue.begin(list(bodies.values()), now, until):
            await self._start(chunk, bodies[chunk.id].body, deadline, again=False)

    async def _fix(
        self, chunks: Sequence[Chunk], people: Mapping[str, People], unreachable: Mapping[str, SkipReason]
    ) -> list[Fixed]:
        """Fix what chunks send; a campaign whose chunk cannot be made into a call is paused."""
        fixes, unfit = [], set()
        for chunk in chunks:
            try:
                fixes.append(fix(chunk, people[chunk.id], unreachable, await self._content(chunk.campaign)))
            except (LookupError, ValueError):
                logger.exception("a chunk cannot be made into a call", extra={"chunk": chunk.id})
                unfit.add(chunk.campaign)
        await self._calls.pause(sorted(unfit), "errors")
        return fixes

    async def _end_empty(self, fixed: Fixed) -> None:
        """End a chunk that has nobody left to send to: accepted, without a call."""
        at = self._tools.now()
        dropped = replace(fixed.chunk, dropped=(*fixed.chunk.dropped, *fixed.dropped)).dropped_by_reason
        facts = accepted_facts(fixed.chunk, at, recipients=0, dropped=dropped, messages=0, request_id=None)
        await self._tools.ends.settle(End(fixed.chunk, "accepted", at, facts, dropped=fixed.dropped))
        self._tools.metrics.chunks.labels("empty").inc()

    async def _retake(self, orders: Sequence[Order]) -> bool:
        """Call again for chunks whose attempt is over, ours or a dead sender's."""
        if monotonic() < self._next_retake:
            return False
        self._next_retake = monotonic() + RETAKE_SECONDS
        campaigns = [order.campaign for order in orders]
        due = await self._tools.queue.overdue(campaigns, self._tools.now(), self._handful)
        for chunk in due:
            await self._take_up(chunk)
        return bool(due)

    async def _take_up(self, chunk: Chunk) -> None:
        again = chunk.attempt is not None and chunk.attempt.doubted
        deadline, now, until = self._claim()
        taken = await self._tools.queue.retake(chunk, now, until)
        if taken is None:
            return
        await self._start(taken, await self._tools.queue.body(taken), deadline, again=again)

    async def _start(self, chunk: Chunk, body: bytes | None, deadline: float, *, again: bool) -> None:
        content = await self._content(chunk.campaign)
        self._calls.start(Job(chunk, body, len(content.messages), again, deadline))

    async def _content(self, campaign: str) -> Content:
        if campaign not in self._contents:
            self._contents[campaign] = await self._tools.orders.content(campaign)
        return self._contents[campaign]

    def _claim(self) -> tuple[float, datetime, datetime]:
        """Return by when calls of a claim made now must be over, now, and until when the claim is to last."""
        seconds, now = self._tools.options.claim_seconds, self._tools.now()
        return monotonic() + seconds, now, now + timedelta(seconds=seconds)

    async def _finish(self, orders: Sequence[Order]) -> None:
        """Tell campaigns that nothing of them is left."""
        for order in orders:
            campaign = order.campaign
            if not self._calls.concerns(campaign) and not await self._chunks.unended(campaign):
                await self._tools.orders.finish(campaign)
