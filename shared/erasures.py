"""Who asked to be erased: records about them, written up to then, are dropped, also in replays (design §3, §5).

The topic holds keyed hashes of contacts and member ids, so that it names nobody to who has not the key.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.broker import KAFKA_TROUBLE, read_to_end, reading, until_kafka
from shared.channels import BadFile
from shared.consumer.records import Record, read_record
from shared.events import PersonErased
from shared.topics import ERASURES

logger = logging.getLogger(__name__)


def load_erasure_key(path: Path) -> bytes:
    """Read ERASURE_KEY_FILE: 32 random bytes or more, Base64, on one line; it must never change.

    Raises:
        BadFile: says what is wrong, not what is in it.
    """
    try:
        key = base64.b64decode(path.read_text().strip(), validate=True)
    except (OSError, ValueError):
        raise BadFile(f"{path.name}: must hold one line of Base64") from None
    if len(key) < 32:
        raise BadFile(f"{path.name}: must hold at least 32 bytes")
    return key


class Erasures:
    """The erased, read from the topic to its end before anything is consumed, and followed from then on."""

    def __init__(self, kafka_url: str, key: bytes) -> None:
        self._kafka_url = kafka_url
        self._key = key
        self._erased: dict[str, datetime] = {}
        self._read = asyncio.Event()

    def subject(self, identity: str) -> str:
        """Return the keyed hash of a contact or member id."""
        return hashlib.blake2b(identity.encode(), key=self._key[:64], digest_size=16).hexdigest()

    def erased_at(self, identity: str) -> datetime | None:
        """Return when this contact or member was erased, or None."""
        return self._erased.get(self.subject(identity)) if self._erased else None

    def concerns(self, record: Record) -> bool:
        """Whether a record keyed by a contact or member id was written before its person was erased.

        A tombstone passes: it tells of the erasure, and its clock may be behind the one that dated it.
        """
        if not self._erased or record.key is None or record.value is None:
            return False
        moment = self.erased_at(record.key.decode("utf-8", "replace"))
        return moment is not None and record.written_at <= moment

    def event(self, identity: str, erased_at: datetime) -> PersonErased:
        """Return the event that tells everyone of an erasure."""
        return PersonErased(subject=self.subject(identity), erased_at=erased_at)

    async def until_read(self) -> None:
        """Return when the topic has been read to the end it had at the start."""
        await self._read.wait()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Read the topic to its end and go on following it in the background."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await until_kafka(self._kafka_url, [ERASURES])
            try:
                async with reading(self._kafka_url, ERASURES) as consumer:
                    async for record in read_to_end(consumer):
                        self._note(record)
                    self._read.set()
                    await self._note_new(consumer)
            except KAFKA_TROUBLE as error:
                logger.warning("reading the erasures again", extra={"reason": error.__class__.__name__})
                await asyncio.sleep(1)

    async def _note_new(self, consumer: Any) -> None:
        while True:
            for raws in (await consumer.getmany(timeout_ms=1000)).values():
                for raw in raws:
                    self._note(read_record(raw))

    def _note(self, record: Record) -> None:
        if record.value is None:
            return
        try:
            event = PersonErased.model_validate_json(record.value)
        except ValidationError:
            logger.error("an erasure cannot be read", extra={"offset": record.at.offset})
            return
        self._erased[event.subject] = max(event.erased_at, self._erased.get(event.subject, event.erased_at))
