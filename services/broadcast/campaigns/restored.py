"""Campaigns brought back from a backup: nobody may get a message twice, whatever was sent since (design §7).

`campaign.events` knows what the backup does not: which chunks LINE took, how far a campaign had come. What it does not
know is `unknown`, and a person decides: a retry key is good for 24 hours only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from services.broadcast.campaigns.life import told as told_item
from services.broadcast.campaigns.model import SYSTEM, Campaign, State, Step, state_changed
from services.broadcast.campaigns.store import MongoCampaigns
from services.broadcast.sending.documents import CHUNKS, read_chunk
from services.broadcast.sending.facts import failed_facts
from services.broadcast.sending.model import UNENDED, chunk_id
from shared.consumer.records import Record
from shared.events import CampaignStateChanged, ChunkAccepted, ChunkFailed
from shared.mongo import Collection, Database, Document

RESTORED = "restored"
_ENDED = frozenset({"finished", "cancelled"})
_FACTS: Mapping[str, type[CampaignStateChanged | ChunkAccepted | ChunkFailed]] = {
    "state_changed": CampaignStateChanged,
    "chunk_accepted": ChunkAccepted,
    "chunk_failed": ChunkFailed,
}


class _Typed(msgspec.Struct, frozen=True):
    type: str


_TYPE = msgspec.json.Decoder(_Typed)


@dataclass(slots=True)
class _Told:
    """What the topic says of a campaign."""

    version: int = 0
    state: str | None = None
    ends: list[ChunkAccepted | ChunkFailed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was done: campaigns that a person has to look at, chunks that nobody knows the end of, campaigns that were
    told of and are not in the backup."""

    stopped: list[str]
    cancelled: list[str]
    unknown_chunks: int
    missing: list[str]


async def settle_campaigns(database: Database, told: AsyncIterator[Record], now: datetime) -> Settled:
    """Stop every campaign that may have been sent since the backup. It may be run again.

    Args:
        database: broadcast's, no process of which runs.
        told: campaign.events from its beginning to its end, in order within a campaign.
        now: the present moment.
    """
    campaigns, chunks = MongoCampaigns(database), database[CHUNKS]
    topic = await _read(told)
    settled = Settled([], [], 0, [])
    ids = [entry["_id"] async for entry in campaigns.collection.find({}, {"_id": 1})]
    for campaign_id in sorted(ids):
        campaign = await campaigns.get(campaign_id)
        known = topic.pop(campaign_id, _Told())
        if campaign is not None:
            settled = await _settle(campaign, known, campaigns, chunks, settled, now)
    return replace(settled, missing=sorted(topic))


async def _read(told: AsyncIterator[Record]) -> dict[str, _Told]:
    topic: dict[str, _Told] = defaultdict(_Told)
    async for record in told:
        kind = _FACTS.get(_TYPE.decode(record.value).type) if record.value is not None else None
        fact = kind.model_validate_json(record.value) if kind is not None and record.value is not None else None
        if isinstance(fact, ChunkAccepted | ChunkFailed):
            topic[fact.campaign].ends.append(fact)
        elif isinstance(fact, CampaignStateChanged) and fact.version > topic[fact.campaign].version:
            topic[fact.campaign].version, topic[fact.campaign].state = fact.version, fact.state
    return dict(topic)


async def _settle(
    campaign: Campaign, known: _Told, campaigns: MongoCampaigns, chunks: Collection, settled: Settled, now: datetime
) -> Settled:
    for end in known.ends:
        await _end(chunks, end)
    newer = known.version > campaign.version
    if campaign.state in _ENDED or (campaign.state in {"draft", "paused"} and not newer):
        return settled
    state = _state(campaign, known.state if newer else None)
    unknown = await _give_up(chunks, campaign.id, now)
    await _move(campaign, state, known.version, campaigns, now)
    (settled.cancelled if state == "cancelled" else settled.stopped).append(campaign.id)
    return replace(settled, unknown_chunks=settled.unknown_chunks + unknown)


def _state(campaign: Campaign, since: str | None) -> State:
    """Return the state a campaign goes to; `since` is what was told of it after the backup.

    One that was begun since the backup, or whose audience was not yet fixed then, would be fixed anew and sent to
    people who have it: it is cancelled. The rest waits for a person.
    """
    if campaign.state in {"draft", "scheduled"}:
        return "draft" if since in {None, "draft", "scheduled"} else "cancelled"
    if since == "finished":
        return "finished"
    return "paused" if campaign.frozen.done and since != "cancelled" else "cancelled"


async def _move(campaign: Campaign, state: State, told: int, campaigns: MongoCampaigns, now: datetime) -> None:
    """Write a campaign's new state under a version above all that were told."""
    if told > campaign.version:
        same = {"_id": campaign.id, "version": campaign.version}
        await campaigns.collection.update_one(same, {"$set": {"version": told}})
        campaign.version = told
    previous, campaign.state = campaign.state, state
    campaign.paused_reason = "restored" if state == "paused" else None
    if state == "draft":
        campaign.schedule = campaign.start_request = None
    campaign.updated_at = now
    campaign.ended_at = now if state in _ENDED else None
    campaign.history = [*campaign.history, Step(now, SYSTEM, state, RESTORED)]
    await campaigns.save(campaign, [told_item(state_changed(campaign, previous, by=SYSTEM, at=now))], now)


async def _end(chunks: Collection, fact: ChunkAccepted | ChunkFailed) -> None:
    """Write down how a chunk ended since the backup."""
    state = "accepted" if isinstance(fact, ChunkAccepted) else fact.end
    end: Document = {"state": state, "ended_at": fact.occurred_at, "recipients": fact.recipients}
    if isinstance(fact, ChunkAccepted):
        end["request_id"] = fact.request_id
    unended = {"_id": chunk_id(fact.campaign, fact.chunk), "state": {"$in": list(UNENDED)}}
    await chunks.update_one(unended, {"$set": end, "$unset": {"until": ""}})


async def _give_up(chunks: Collection, campaign: str, now: datetime) -> int:
    given_up = 0
    async for document in chunks.find({"campaign": campaign, "state": {"$in": list(UNENDED)}}):
        chunk = read_chunk(document)
        facts = failed_facts(chunk, now, recipients=document["recipients"], end="unknown")
        end = {"state": "unknown", "ended_at": now, "problem": {"reason": RESTORED}, "pending_since": now}
        change = {"$set": end | {"pending": facts}, "$unset": {"until": ""}}
        await chunks.update_one({"_id": chunk.id}, change)
        given_up += 1
    return given_up
