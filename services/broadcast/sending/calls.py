"""The calls of a channel while this process leads it: a task a chunk, from its claim to what LINE's answer means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from services.broadcast.sending.ends import Ends
from services.broadcast.sending.facts import accepted_facts, failed_facts
from services.broadcast.sending.lead import Lead
from services.broadcast.sending.metrics import SendingMetrics
from services.broadcast.sending.model import Chunk, PauseReason, Skip, left
from services.broadcast.sending.orders import Orders
from services.broadcast.sending.pace import Pace
from services.broadcast.sending.queue import ChunkQueue, End
from services.broadcast.sending.verdicts import Again, Back, Ended, Rejections, Verdict, Without, verdict
from shared.clock import Now, monotonic
from shared.line.prepared import PreparedCall
from shared.line.sending import Sending
from shared.line.transport import Patience
from shared.mongo import is_unavailable

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
"""At the end calls under way may be answered and written down for so long; an attempt takes at most half of it."""


@dataclass(frozen=True, slots=True)
class SendingOptions:
    """How a process sends.

    Args:
        per_second: multicasts a second and channel, retries included (LINE: at most 200).
        in_flight: chunks of a channel in hand at once, waiting for LINE's answer elsewhere included. At 197 a second
            it carries a LINE that takes up to 0.3 s.
        handful: chunks begun at once at most.
        lease_seconds: how long a channel stands still after its sender has died.
        claim_seconds: after so long a dead sender's chunk is sent again; longer than a call.
        patience: of one call.
        most_rejected, among: so many rejected among the latest so many pause a campaign.
    """

    per_second: float = 197.0
    in_flight: int = 128
    handful: int = 32
    lease_seconds: float = 4.0
    claim_seconds: float = 25.0
    patience: Patience = field(default_factory=Patience)
    most_rejected: int = 5
    among: int = 20


@dataclass(frozen=True, slots=True)
class Tools:
    """What all channels of a process send with."""

    queue: ChunkQueue
    orders: Orders
    line: Sending
    ends: Ends
    metrics: SendingMetrics
    options: SendingOptions
    now: Now


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed chunk with its bytes."""

    chunk: Chunk
    body: bytes | None = field(repr=False)
    """None where the store has it no more."""
    messages: int
    """How many message objects the body holds."""
    again: bool
    """An earlier attempt may have been accepted."""
    deadline: float
    """By the clock that never jumps: no attempt may be under way after it."""


class Calls:
    """Makes calls within the pace and the lead; how many chunks are in hand or wait to be tried again is bounded."""

    def __init__(self, channel: str, tools: Tools, lead: Lead, pace: Pace) -> None:
        self._tools = tools
        self._lead = lead
        self._pace = pace
        self._in_flight = tools.metrics.in_flight.labels(channel)
        self._progress = tools.metrics.progress.labels(channel)
        self._rejections = Rejections(tools.options.most_rejected, tools.options.among)
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._tried: dict[str, str] = {}
        self._stopped = False
        self._halted = False
        self.campaigns: Sequence[str] = ()
        """The channel's running campaigns, as last seen."""

    @property
    def room(self) -> int:
        """How many chunks more may be taken in hand."""
        return 0 if self._halted else self._tools.options.in_flight - len(self._running) - len(self._tried)

    @property
    def idle(self) -> bool:
        """Whether no chunk is in hand."""
        return not self._running

    def concerns(self, campaign: str) -> bool:
        """Whether a chunk of a campaign is in hand or will be tried again."""
        return any(campaign == each for each, _ in self._running.values()) or campaign in self._tried.values()

    def see(self, campaigns: Sequence[str]) -> None:
        """Take note of which campaigns run: what waits of others waits no more."""
        self.campaigns = campaigns
        self._tried = {chunk: campaign for chunk, campaign in self._tried.items() if campaign in campaigns}
        self._rejections.keep(campaigns)
        if self.idle:
            self._halted = False

    def start(self, job: Job) -> None:
        """Begin a call."""
        chunk = job.chunk
        self._tried.pop(chunk.id, None)
        task = asyncio.create_task(self._run(job))
        self._running[chunk.id] = (chunk.campaign, task)
        task.add_done_callback(lambda _: self._leave(chunk.id))
        self._gauge()

    def _leave(self, chunk_id: str) -> None:
        self._running.pop(chunk_id, None)
        self._gauge()

    def _gauge(self) -> None:
        self._in_flight.set(len(self._running))

    async def stop(self) -> None:
        """Begin no attempt any more, and wait for those under way."""
        self._stopped = True
        tasks = [task for _, task in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _turn(self, deadline: float) -> bool:
        """Wait for a turn; False where no attempt may be begun now."""
        if not self._may(deadline):
            return False
        await self._pace.take()
        return self._may(deadline)

    def _may(self, deadline: float) -> bool:
        ends = monotonic() + self._tools.options.patience.attempt
        return self._lead.held and not self._stopped and not self._halted and ends <= deadline

    async def _run(self, job: Job) -> None:
        started = monotonic()
        try:
            await self._act(job, await self._call(job))
        except Exception as error:
            # The chunk is found again after its claim, with the same bytes and retry key.
            if is_unavailable(error):
                logger.warning("a chunk waits for the store", extra={"chunk": job.chunk.id})
            else:
                logger.exception("a chunk was left", extra={"chunk": job.chunk.id})
        self._tools.metrics.seconds.observe(monotonic() - started)

    async def _call(self, job: Job) -> Verdict:
        chunk = job.chunk
        attempt = chunk.attempt
        assert attempt is not None

        async def gate(number: int) -> bool:
            return number == 0 or await self._turn(job.deadline)

        if job.body is None:
            return Ended("unknown") if job.again else Back(doubted=False)
        if not await self._turn(job.deadline):
            return Back(doubted=job.again)
        outcome = await self._tools.line.send(
            PreparedCall("multicast", chunk.channel, attempt.retry_key, job.body),
            first_attempt_at=attempt.first_attempt_at if job.again else None,
            patience=self._tools.options.patience,
            gate=gate,
            recorded=True,
        )
        return verdict(outcome, attempts=attempt.attempts, revision=chunk.revision)

    async def _act(self, job: Job, answer: Verdict) -> None:
        chunk, queue = job.chunk, self._tools.queue
        count = self._tools.metrics.chunks.labels
        match answer:
            case Ended(state=state):
                await self._end(job, answer)
                count(state).inc()
            case Again(wait=wait, doubted=doubted, slower=slower):
                if slower:
                    self._pace.slow_down()
                self._tried[chunk.id] = chunk.campaign
                await queue.again(chunk, self._tools.now() + timedelta(seconds=wait), doubted=doubted)
                count("again").inc()
            case Back(doubted=doubted, pause=pause):
                await self._give_back(chunk, doubted=doubted)
                count("back").inc()
                if pause is not None:
                    await self._pause_all(pause)
            case Without(position=position):
                await self._isolate(job, position)
                count("isolated").inc()

    async def _end(self, job: Job, ended: Ended) -> None:
        chunk, at = job.chunk, self._tools.now()
        recipients = chunk.attempt.recipients if chunk.attempt else 0
        if ended.state == "accepted":
            facts = accepted_facts(
                chunk,
                at,
                recipients=recipients,
                dropped=chunk.dropped_by_reason,
                messages=job.messages,
                request_id=ended.request_id,
            )
            self._tools.metrics.recipients.inc(recipients)
        else:
            facts = failed_facts(chunk, at, recipients=recipients, end=ended.state)
        await self._tools.ends.settle(End(chunk, ended.state, at, facts, ended.request_id, ended.problem))
        self._progress.set(at.timestamp())
        if self._rejections.note(chunk.campaign, rejected=ended.state == "rejected"):
            await self.pause([chunk.campaign], "errors")

    async def _give_back(self, chunk: Chunk, *, doubted: bool) -> None:
        if doubted:
            await self._tools.queue.again(chunk, self._tools.now(), doubted=True)
        else:
            await self._tools.queue.back(chunk, self._tools.now())

    async def _isolate(self, job: Job, position: int) -> None:
        people = await self._tools.queue.people([job.chunk])
        recipients = left(people[job.chunk.id], job.chunk.dropped)
        if position >= len(recipients):
            await self._end(job, Ended("rejected", problem={"status": 400, "properties": ["to"]}))
            return
        await self._tools.queue.drop(job.chunk, Skip(recipients[position], "invalid"), self._tools.now())

    async def _pause_all(self, reason: PauseReason) -> None:
        """Stop the channel: quota and token are the account's, not the campaign's."""
        if not self._halted:
            self._halted = True
            await self.pause(self.campaigns, reason)

    async def pause(self, campaigns: Sequence[str], reason: PauseReason) -> None:
        """Pause campaigns and say so."""
        for campaign in campaigns:
            logger.warning("pausing a campaign", extra={"campaign": campaign, "reason": reason})
            await self._tools.orders.pause(campaign, reason)
            self._tools.metrics.pauses.labels(reason).inc()
