"""Blame for blocks: a recipient who blocks within 24 h is charged to the campaign, once; too many stop it (design §7).

A block can be known before the answer that accepted its chunk is written down: so it is kept, and charged by its outbox
once the chunk has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from services.broadcast.campaigns.life import CampaignLife, told
from services.broadcast.campaigns.model import may_be_blamed, too_many_blocks
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.model import UNENDED
from shared.clock import Now
from shared.consumer import BadRecord, Record
from shared.events import MEMBER_EVENT, MemberUnfollowed, RecipientBlocked
from shared.ids import stable_uuid
from shared.mongo import ASCENDING, Collection, Database, Document, DuplicateKeyError, Index
from shared.outbox import Outbox, outbox_indexes

COLLECTION = "blocks"
BLAME = "blame"
"""What the outbox is to do with a block."""
_KEPT = timedelta(days=35)
INDEXES: tuple[Index, ...] = (
    Index(COLLECTION, [("campaign", ASCENDING), ("charged", ASCENDING)]),
    Index(COLLECTION, [("at", ASCENDING)], expire_seconds=int(_KEPT.total_seconds())),
    *outbox_indexes(COLLECTION),
)


class MongoBlocks:
    """Blocks by people whom a campaign was sent to, a document a campaign and contact."""

    def __init__(self, database: Database, now: Now) -> None:
        self.collection: Collection = database[COLLECTION]
        self._now = now

    async def add(self, campaign: str, event: MemberUnfollowed, contact: str) -> str | None:
        """Keep a block; returns its id, None where this contact's is known for this campaign."""
        block_id = f"blk_{stable_uuid('block', campaign, contact).hex}"
        block = {
            "campaign": campaign,
            "channel": event.channel,
            "contact": contact,
            "at": event.occurred_at,
            "charged": False,
            "pending": [{"id": block_id, "do": BLAME}],
            "pending_since": self._now(),
        }
        try:
            await self.collection.insert_one({"_id": block_id, **block})
        except DuplicateKeyError:
            return None
        return block_id

    async def get(self, block_id: str) -> Document | None:
        """Return a block."""
        return await self.collection.find_one({"_id": block_id})

    async def charge(self, block_id: str, campaign: str) -> int:
        """Note that a block is charged to its campaign; returns how many are."""
        await self.collection.update_one({"_id": block_id}, {"$set": {"charged": True}})
        return int(await self.collection.count_documents({"campaign": campaign, "charged": True}))


@dataclass(frozen=True)
class BlockDeps:
    """What handling blocks needs."""

    life: CampaignLife
    chunks: Chunks
    blocks: MongoBlocks
    outbox: Outbox


async def on_member_events(records: Sequence[Record], deps: BlockDeps) -> None:
    """Charge blocks to the campaigns that were sent shortly before."""
    for record in records:
        event = _member_event(record)
        if isinstance(event, MemberUnfollowed) and event.contact is not None:
            for campaign in await deps.life.store.blamable(event.channel, event.occurred_at):
                await _suspect(campaign, event, event.contact, deps)


def _member_event(record: Record) -> object:
    try:
        return MEMBER_EVENT.validate_json(record.value or b"")
    except ValidationError as error:
        if any(problem["type"] == "union_tag_invalid" for problem in error.errors(include_input=False)):
            return None
        raise BadRecord(f"no member event: {error.error_count()} fields are wrong") from None


async def _suspect(campaign: str, event: MemberUnfollowed, contact: str, deps: BlockDeps) -> None:
    fate = await deps.chunks.find_recipient(campaign, contact)
    if fate is None or fate.outcome not in {"sending", "accepted"}:
        return
    block_id = await deps.blocks.add(campaign, event, contact)
    if block_id is not None:
        await deps.outbox.dispatch(block_id)


async def settle_block(block_id: str, item: Document, deps: BlockDeps) -> bool:
    """Charge a block, or drop it; False while the campaign's chunk has not ended."""
    block = await deps.blocks.get(block_id)
    if block is None:
        return True
    campaign_id, contact = block["campaign"], block["contact"]
    fate = await deps.chunks.find_recipient(campaign_id, contact)
    if fate is not None and fate.outcome in UNENDED:
        return False
    accepted = fate is not None and fate.outcome == "accepted"
    if not accepted or fate is None or fate.at is None or not may_be_blamed(fate.at, block["at"]):
        await deps.outbox.remove(block_id, [item["id"]])
        return True
    blocked = await deps.blocks.charge(block_id, campaign_id)
    await deps.life.store.note_blocked(campaign_id, blocked)
    await _stop_where_too_many(campaign_id, blocked, deps)
    fact = RecipientBlocked(
        id=f"cev_{stable_uuid('recipient_blocked', campaign_id, contact).hex}",
        channel=block["channel"],
        occurred_at=block["at"],
        campaign=campaign_id,
        contact=contact,
    )
    await deps.outbox.replace(block_id, item["id"], told(fact))
    return True


async def _stop_where_too_many(campaign_id: str, blocked: int, deps: BlockDeps) -> None:
    campaign = await deps.life.store.get(campaign_id)
    if campaign is None or campaign.state != "running" or campaign.block_limit is None:
        return
    accepted = (await deps.chunks.counts(campaign_id)).recipients.get("accepted", 0)
    if too_many_blocks(campaign.block_limit, blocked, accepted):
        await deps.life.pause(campaign_id, "blocks")
