"""Fetching content from LINE at once, and later where LINE or a process failed; several replicas share the work."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.ticketing.content.files import Files
from services.ticketing.content.model import (
    FAILED,
    WANTED,
    Piece,
    Verdict,
    Wanted,
    again,
    judge,
    media_type,
    piece_id,
    wanted_of,
)
from services.ticketing.content.store import PieceStore
from services.ticketing.messages.model import Message
from shared.channels import Channels
from shared.clock import Now, utcnow
from shared.ids import split_contact
from shared.line.client import LineClient
from shared.line.content import ContentOutcome, Downloaded, Missing, Preparing, Sink, TooLarge, Unsent
from shared.line.outcomes import outcome_name
from shared.mongo import is_unavailable
from shared.schedule import repeating

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Fetches under way in a process; each may hold 32 MB (see `FileBucket`)."""
MOST_QUEUED = 500
"""Pieces a process has taken note of; the others wait in the store until they are seen to be due."""
LOOK_EVERY = 1.0
RENEW_EVERY = timedelta(seconds=15)
RELEASE_SECONDS = 2.0


class ClaimLost(Exception):
    """Another took the piece over, or it was erased: what was written is nothing."""


class _NotWhole(Exception):
    """LINE did not give all of it; thrown so that what was written is thrown away."""


class ContentMetrics:
    """What is counted of content."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fetches = Counter(
            "content_fetches", "Attempts to fetch what users sent, by how they ended.", ["outcome"], registry=registry
        )
        self.bytes = Counter("content_bytes", "Bytes of content kept.", registry=registry)
        self.oldest = Gauge(
            "content_oldest_wanted_timestamp_seconds",
            "Since when the oldest content not fetched yet waits, UNIX time; 0 where none.",
            registry=registry,
        )


class ContentDesk:
    """What rooms ask of content: to be fetched, to be erased."""

    def __init__(
        self,
        pieces: PieceStore,
        files: Files,
        line: LineClient,
        channels: Channels,
        metrics: ContentMetrics,
        *,
        most_bytes: int,
        now: Now = utcnow,
    ) -> None:
        self._pieces = pieces
        self._files = files
        self._line = line
        self._channels = channels
        self._metrics = metrics
        self._most_bytes = most_bytes
        self._now = now
        self._queue: asyncio.Queue[str] = asyncio.Queue(MOST_QUEUED)
        self._queued: set[str] = set()

    async def on_message(self, message: Message) -> None:
        """Want the content of an incoming message, if LINE has some. The same message again changes nothing."""
        payload = message.payload or {}
        wanted = wanted_of(message.channel, message.contact, message.id, message.kind, payload)
        if wanted is not None:
            await self.want(wanted)

    async def want(self, wanted: Wanted) -> None:
        """Note that content is to be fetched, and fetch it in the background at once."""
        if await self._pieces.want(wanted, self._most_bytes, self._now()):
            self._take_note(piece_id(wanted.channel, wanted.message_id))

    async def erase_message(self, contact: str, message_id: str) -> None:
        """Erase the content of a message that its sender took back, also where it has not arrived yet."""
        channel, _ = split_contact(contact)
        blob = await self._pieces.erase(channel, message_id, contact, self._now())
        if blob is not None:
            await self._files.discard(blob)

    async def erase_contact(self, contact: str) -> None:
        """Erase everything an erased contact sent."""
        for blob in await self._pieces.erase_of(contact, self._now()):
            await self._files.discard(blob)

    @contextlib.asynccontextmanager
    async def fetching(self) -> AsyncIterator[None]:
        """Fetch in the background; what is under way at the end is given back, for another process to take."""
        workers = [asyncio.create_task(self._work()) for _ in range(AT_ONCE)]
        try:
            async with repeating("content", LOOK_EVERY, self._look):
                yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _take_note(self, piece: str) -> None:
        if piece not in self._queued and not self._queue.full():
            self._queued.add(piece)
            self._queue.put_nowait(piece)

    async def _look(self) -> None:
        """Take note of what is due: left by a crash, to be tried again, or wanted while this process was busy."""
        room = MOST_QUEUED - self._queue.qsize()
        if room > 0:
            for piece in await self._pieces.due(self._now(), room):
                self._take_note(piece)
        oldest = await self._pieces.oldest_wanted()
        self._metrics.oldest.set(oldest.timestamp() if oldest else 0)

    async def _work(self) -> None:
        while True:
            piece = await self._queue.get()
            try:
                await self.fetch(piece)
            except Exception as error:
                if is_unavailable(error):
                    logger.warning("waiting for the store", extra={"loop": "content", "reason": type(error).__name__})
                else:
                    logger.exception("content was not fetched")
            finally:
                self._queued.discard(piece)

    async def fetch(self, piece: str) -> None:
        """Make one attempt at a due piece, if it is free; throw away once more what was erased meanwhile."""
        claimed = await self._pieces.claim(piece, self._now())
        if claimed is None:
            await self._sweep(piece)
            return
        mine, left_over = claimed
        try:
            if left_over is not None:
                await self._files.discard(left_over)
            await self._attempt(mine)
        except ClaimLost:
            self._metrics.fetches.labels("claim_lost").inc()
        except asyncio.CancelledError:
            await self._give_back(mine)
            raise
        except Exception as error:
            if not is_unavailable(error):
                await self._pieces.settle(mine, again(mine, self._now()))
            raise

    async def _give_back(self, piece: Piece) -> None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._pieces.settle(piece, Verdict(WANTED, self._now()))

    async def _sweep(self, piece: str) -> None:
        erased = await self._pieces.to_sweep(piece, self._now())
        if erased is None:
            return
        if erased.blob is not None:
            await self._files.discard(erased.blob)
        await self._pieces.swept(erased)

    async def _attempt(self, piece: Piece) -> None:
        outcome, digest = await self._download(piece)
        if isinstance(outcome, Downloaded):
            await self._keep(piece, outcome, digest)
            return
        verdict = judge(outcome, piece, self._now()) if outcome is not None else again(piece, self._now())
        self._metrics.fetches.labels("failed" if verdict.state == FAILED else _name(outcome)).inc()
        await self._pieces.settle(piece, verdict)

    async def _download(self, piece: Piece) -> tuple[ContentOutcome | None, str]:
        """Return how LINE answered, None where the account is not configured any more, and the bytes' SHA-256."""
        if self._channels.get(piece.channel) is None or piece.blob is None:
            return None, ""
        digest = hashlib.sha256()
        outcome: ContentOutcome | None = None
        with contextlib.suppress(_NotWhole):
            async with self._files.writing(piece.blob) as write:
                sink = _Sink(piece, write, digest.update, self._pieces, self._now)
                outcome = await self._line.content.fetch(
                    piece.channel, piece.message_id, sink, most_bytes=self._most_bytes
                )
                if not isinstance(outcome, Downloaded):
                    raise _NotWhole
        return outcome, digest.hexdigest()

    async def _keep(self, piece: Piece, downloaded: Downloaded, digest: str) -> None:
        kind = media_type(downloaded.content_type)
        if not await self._pieces.keep(piece, downloaded.size, kind, digest, self._now()):
            await self._files.discard(piece.blob or "")
            raise ClaimLost
        self._metrics.fetches.labels("kept").inc()
        self._metrics.bytes.inc(downloaded.size)


class _Sink:
    """Passes the bytes on and keeps the claim while they come."""

    def __init__(
        self, piece: Piece, write: Sink, digest: Callable[[bytes], None], pieces: PieceStore, now: Now
    ) -> None:
        self._piece = piece
        self._write = write
        self._digest = digest
        self._pieces = pieces
        self._now = now
        self._renewed: datetime = now()

    async def __call__(self, some: bytes) -> None:
        """Write some bytes.

        Raises:
            ClaimLost: the piece is another's now, or erased.
        """
        self._digest(some)
        await self._write(some)
        now = self._now()
        if now - self._renewed >= RENEW_EVERY:
            if not await self._pieces.renew(self._piece, now):
                raise ClaimLost
            self._renewed = now


def _name(outcome: ContentOutcome | None) -> str:
    match outcome:
        case Preparing():
            return "preparing"
        case Missing():
            return "gone"
        case Unsent():
            return "unsent"
        case TooLarge():
            return "too_large"
        case None:
            return "not_served"
    return outcome_name(outcome)
