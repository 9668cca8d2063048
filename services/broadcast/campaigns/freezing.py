"""Fixing the audience of a started campaign: walked once, upward by contact, into chunks (design §7).

Chunk n begins after the last contact of chunk n - 1. A chunk that is there stands, whoever added it and when: so a
freeze that died anywhere goes on, and two at once make one audience. At any time one chunk is in memory.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from services.broadcast.campaigns.audiences import filter_of
from services.broadcast.campaigns.life import CampaignLife, told
from services.broadcast.campaigns.model import SYSTEM, Campaign, frozen_fact, move, why_skipped
from services.broadcast.campaigns.quota import ReadQuota
from services.broadcast.people.model import Person
from services.broadcast.people.store import PeopleStore
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.model import NewChunk, Skip
from shared.clock import monotonic
from shared.mongo import Document, is_unavailable

logger = logging.getLogger(__name__)

SKIPPED_A_RECIPIENT = 4
"""A chunk that finds few recipients ends with this many times as many skipped people as it may have recipients."""
HOLD_SECONDS = 3.0
"""How often a long freeze makes sure that it still has the lease."""

Hold = Callable[[], Awaitable[bool]]
"""Prolongs the lease of the one who freezes; False where another process has it."""


class Freezer:
    """Freezes audiences; each step is safe to repeat."""

    def __init__(
        self,
        life: CampaignLife,
        people: PeopleStore,
        chunks: Chunks,
        read_quota: ReadQuota,
    ) -> None:
        self._life = life
        self._people = people
        self._chunks = chunks
        self._read_quota = read_quota

    async def freeze_all(self, hold: Hold) -> None:
        """Freeze every campaign that waits for it, one after the other, while the lease holds."""
        for campaign in await self._life.store.in_state("freezing"):
            try:
                await self.freeze(campaign, hold)
            except Exception as error:
                if is_unavailable(error):
                    raise
                logger.exception("an audience cannot be fixed", extra={"campaign": campaign.id})
                await self._life.pause(campaign.id, "errors")

    async def freeze(self, campaign: Campaign, hold: Hold) -> None:
        """Freeze one campaign's audience to its end, or as long as it is wanted and the lease holds."""
        where = filter_of(campaign)
        current: Campaign | None = campaign
        held = monotonic()
        while current is not None and current.state == "freezing":
            if monotonic() - held > HOLD_SECONDS:
                if not await hold():
                    return
                held = monotonic()
            current = await self._advance(current, where)

    async def _advance(self, campaign: Campaign, where: Document) -> Campaign | None:
        chunk = await self._next(campaign, where)
        if chunk is None:
            return await self._fix(campaign)
        if await self._chunks.add(chunk):
            reasons: Counter[str] = Counter(skip.reason for skip in chunk.skipped)
            frozen = campaign.frozen.plus(chunk.last, len(chunk.recipients), reasons)
        else:
            there = await self._chunks.get(campaign.id, chunk.n)
            if there is None:
                raise AssertionError("chunks are never deleted")
            frozen = campaign.frozen.plus(there.last, there.frozen, there.skips)
        if await self._life.store.note_frozen(campaign.id, campaign.frozen.chunks, frozen):
            return replace(campaign, frozen=frozen)
        return await self._reread(campaign.id)

    async def _next(self, campaign: Campaign, where: Document) -> NewChunk | None:
        """Return the next chunk as people are now; None where nobody is left."""
        recipients: list[str] = []
        skipped: list[Skip] = []
        after = campaign.frozen.through
        most = campaign.chunk_size
        while (room := most - len(recipients)) and len(skipped) < most * SKIPPED_A_RECIPIENT:
            people = await self._people.walk(campaign.channel, where, after, room)
            _sort_out(people, recipients, skipped)
            if len(people) < room:
                break
            after = people[-1].contact
        if not recipients and not skipped:
            return None
        return NewChunk(campaign.id, campaign.channel, campaign.frozen.chunks, recipients, skipped)

    async def _reread(self, campaign_id: str) -> Campaign | None:
        """Return the campaign as another left it; a chunk added after it was cancelled is withdrawn too."""
        campaign = await self._life.store.get(campaign_id)
        if campaign is not None and campaign.state == "cancelled":
            await self._chunks.withdraw(campaign_id)
        return campaign

    async def _fix(self, campaign: Campaign) -> Campaign | None:
        """Note that the audience is whole, and let it be sent: where quota lacks, only once a person says so."""
        lacks = 0
        if campaign.over_quota == "hold":
            lacks = (await self._read_quota(campaign.channel)).lacks(campaign.frozen.recipients)

        def decide(current: Campaign) -> Sequence[Document] | None:
            if current.state != "freezing" or current.frozen.chunks != campaign.frozen.chunks:
                return None
            current.frozen = replace(current.frozen, done=True)
            items = [told(frozen_fact(current, self._life.now()))]
            if not current.frozen.chunks:
                fact = move(current, "finished", by=SYSTEM, at=self._life.now())
            elif lacks:
                fact = move(current, "paused", by=SYSTEM, at=self._life.now(), reason="quota")
            else:
                fact = move(current, "running", by=SYSTEM, at=self._life.now())
            return [*items, told(fact)]

        return await self._life.change(campaign.id, decide)


def _sort_out(people: Sequence[Person], recipients: list[str], skipped: list[Skip]) -> None:
    for person in people:
        reason = why_skipped(person)
        if reason is None:
            recipients.append(person.contact)
        else:
            skipped.append(Skip(person.contact, reason))
