"""What is told of a chunk's end: on campaign.events, and on line.sent where LINE took it. Ids come from the chunk's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from services.broadcast.sending.model import Chunk
from shared import topics
from shared.events import ChunkAccepted, ChunkFailed, MessageSent
from shared.ids import stable_uuid
from shared.mongo import Document
from shared.outbox import publication

KIND = "campaign"


def accepted_facts(
    chunk: Chunk, at: datetime, *, recipients: int, dropped: Mapping[str, int], messages: int, request_id: str | None
) -> list[Document]:
    """Return what is published of a chunk that LINE accepted, or that had nobody left to send to.

    Args:
        recipients: how many the accepted request had.
        dropped: skipped since the audience was frozen, by reason.
        messages: how many message objects each of them got.
    """
    about = _id(chunk, "accepted")
    told = ChunkAccepted(
        id=f"chk_{about}",
        channel=chunk.channel,
        occurred_at=at,
        campaign=chunk.campaign,
        chunk=chunk.n,
        recipients=recipients,
        skipped=dict(dropped),
        request_id=request_id,
    )
    items = [publication(topics.CAMPAIGN_EVENTS, chunk.campaign, told, told.id)]
    if recipients:
        sent = MessageSent(
            id=f"snt_{about}",
            channel=chunk.channel,
            occurred_at=at,
            api="multicast",
            kind=KIND,
            service="broadcast",
            origin=chunk.campaign,
            messages=messages,
            recipients=recipients,
            request_id=request_id,
        )
        items.append(publication(topics.LINE_SENT, chunk.campaign, sent, sent.id))
    return items


def failed_facts(chunk: Chunk, at: datetime, *, recipients: int, end: Literal["rejected", "unknown"]) -> list[Document]:
    """Return what is published of a chunk that ended without LINE's acceptance."""
    told = ChunkFailed(
        id=f"chk_{_id(chunk, 'failed')}",
        channel=chunk.channel,
        occurred_at=at,
        campaign=chunk.campaign,
        chunk=chunk.n,
        recipients=recipients,
        skipped=chunk.dropped_by_reason,
        end=end,
    )
    return [publication(topics.CAMPAIGN_EVENTS, chunk.campaign, told, told.id)]


def _id(chunk: Chunk, what: str) -> str:
    return stable_uuid("chunk", chunk.id, what).hex
