"""Dead letters of a service: list them, look at one, replay it after the fix (design §3, §5; features E9).

A letter is named `{partition}-{offset}` of `dlq.{service}`. Replaying moves a copy to `retry.{service}`, with the
original coordinates, so that its claim lets it pass; at most once unless forced, since a second copy may double the
effect.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from shared import producer
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.broker import KAFKA_TROUBLE, read_from, read_to_end, reading
from shared.consumer.dead_letters import (
    ATTEMPTS,
    ERROR_CLASS,
    ERROR_TEXT,
    FIRST_FAILED_AT,
    HANDLER,
    LAST_FAILED_AT,
    OWN_HEADERS,
)
from shared.consumer.records import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC, Record
from shared.mongo import Database, DuplicateKeyError
from shared.problems import Problem
from shared.topics import BY_NAME, dlq_topic, retry_topic

REPLAYS = "replays"
_SEND_SECONDS = 10.0


class LetterView(BaseModel):
    """A dead letter: where it came from, and why it died."""

    id: str
    service: str
    topic: str
    partition: int
    offset: int
    handler: str
    error_class: str
    error: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    dead_since: datetime
    event_id: str | None
    bytes: int
    replayed: bool = False


class LetterBody(LetterView):
    """A dead letter with what it holds, as it was read; personal data may be in it."""

    key: str | None
    value: str | None
    headers: dict[str, str]


class LetterPage(BaseModel):
    """A page of dead letters, newest first."""

    items: list[LetterView]
    next_cursor: str | None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _fields(record: Record, service: str) -> dict[str, object]:
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    return {
        "id": f"{record.at.partition}-{record.at.offset}",
        "service": service,
        "topic": record.origin.topic,
        "partition": record.origin.partition,
        "offset": record.origin.offset,
        "handler": headers.get(HANDLER, ""),
        "error_class": headers.get(ERROR_CLASS, ""),
        "error": headers.get(ERROR_TEXT, ""),
        "attempts": int(headers.get(ATTEMPTS, "0")),
        "first_failed_at": headers.get(FIRST_FAILED_AT, ""),
        "last_failed_at": headers.get(LAST_FAILED_AT, ""),
        "dead_since": record.written_at,
        "event_id": record.event_id,
        "bytes": len(record.value or b""),
    }


class DeadLetterDesk:
    """Reads a service's dead letters from Kafka and replays them."""

    def __init__(
        self, service: str, kafka_url: str, sender: producer.Producer, database: Database, audit: Audit
    ) -> None:
        self._service = service
        self._kafka_url = kafka_url
        self._sender = sender
        self._replays = database[REPLAYS]
        self._audit = audit

    async def letters(self) -> AsyncIterator[Record]:
        """Yield every dead letter there is.

        Raises:
            Problem: 503 where Kafka does not answer.
        """
        try:
            async with reading(self._kafka_url, dlq_topic(self._service)) as consumer:
                async for record in read_to_end(consumer):
                    yield record
        except KAFKA_TROUBLE:
            raise Problem("unavailable", "Kafka does not answer") from None

    async def page(
        self, *, topic: str | None, error: str | None, before: tuple[float, str] | None, limit: int
    ) -> list[LetterView]:
        """Return letters, newest first, older than the given (time, id)."""
        views = [
            LetterView.model_validate(_fields(record, self._service))
            async for record in self.letters()
            if topic in {None, record.origin.topic}
        ]
        views = [view for view in views if error in {None, view.error_class}]
        views.sort(key=lambda view: (view.dead_since.timestamp(), view.id), reverse=True)
        if before is not None:
            views = [view for view in views if (view.dead_since.timestamp(), view.id) < before]
        chosen = views[:limit]
        known = self._replays.find({"_id": {"$in": [view.id for view in chosen]}}, {"_id": 1})
        replayed = {entry["_id"] async for entry in known}
        return [view.model_copy(update={"replayed": view.id in replayed}) for view in chosen]

    async def find(self, letter_id: str) -> Record:
        """Return one letter.

        Raises:
            Problem: 404 where there is none of that id; 503 where Kafka does not answer.
        """
        partition, _, offset = letter_id.partition("-")
        topic = dlq_topic(self._service)
        known = partition.isdigit() and offset.isdigit() and int(partition) < BY_NAME[topic].partitions
        try:
            record = await read_from(self._kafka_url, topic, int(partition), int(offset)) if known else None
        except KAFKA_TROUBLE:
            raise Problem("unavailable", "Kafka does not answer") from None
        if record is None:
            raise Problem("not-found", "no such dead letter")
        return record

    async def show(self, letter_id: str) -> LetterBody:
        """Return one letter with what it holds."""
        record = await self.find(letter_id)
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        replayed = await self._replays.find_one({"_id": letter_id}) is not None
        content = {"key": _text(record.key), "value": _text(record.value), "headers": headers, "replayed": replayed}
        return LetterBody.model_validate(_fields(record, self._service) | content)

    async def replay(self, letter_id: str, who: str, *, force: bool) -> None:
        """Put a letter onto the retry topic.

        Raises:
            Problem: 404 where there is none; 409 where it was replayed before and this is not forced; 503 where Kafka
                does not answer, or does not confirm: then it counts as replayed, since it may be stored yet.
        """
        record = await self.find(letter_id)
        await self._audit.note(who, "dead_letters.replay", f"{dlq_topic(self._service)}/{letter_id}")
        try:
            await self._replays.insert_one({"_id": letter_id, "by": who})
        except DuplicateKeyError:
            if not force:
                raise Problem(
                    "conflict", "it was replayed before; force it only where its effect is known to be missing"
                ) from None
        kept = tuple((name, value) for name, value in record.headers if name not in OWN_HEADERS)
        origin = {
            ORIGIN_TOPIC: record.origin.topic,
            ORIGIN_PARTITION: str(record.origin.partition),
            ORIGIN_OFFSET: str(record.origin.offset),
        }
        headers = kept + tuple((name, value.encode()) for name, value in origin.items())
        again = producer.Record(retry_topic(self._service), record.key, record.value, headers)
        try:
            await self._sender.send_all([again], timeout=_SEND_SECONDS)
        except producer.BrokerUnavailable:
            detail = (
                "Kafka did not confirm the replay, which may be stored yet: look for its effect before you force it"
            )
            raise Problem("unavailable", detail) from None


def dead_letter_routes(desk: DeadLetterDesk, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/dlq`, which every service serves; for keys of all accounts, whose letters they hold."""
    router = APIRouter(prefix="/v1/dlq", tags=["dead letters"])
    reader = Annotated[Principal, Depends(allowed(keys, "dead_letters.read", everywhere=True))]
    replayer = Annotated[Principal, Depends(allowed(keys, "dead_letters.replay", everywhere=True))]

    @router.get("")
    async def list_letters(
        _: reader,
        topic: Annotated[str | None, Query(description="the topic the record came from")] = None,
        error: Annotated[str | None, Query(description="the class of the error")] = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> LetterPage:
        """List dead letters, newest first, without what they hold."""
        position = decode_cursor(cursor, 2)
        before = (float(position[0]), str(position[1])) if position else None
        found = await desk.page(topic=topic, error=error, before=before, limit=limit + 1)
        items, more = found[:limit], len(found) > limit
        last = [items[-1].dead_since.timestamp(), items[-1].id] if more else None
        return LetterPage(items=items, next_cursor=encode_cursor(last) if last else None)

    @router.get("/{letter_id}")
    async def show_letter(letter_id: str, _: reader) -> LetterBody:
        """Show a dead letter and what it holds."""
        return await desk.show(letter_id)

    @router.post("/{letter_id}/replay", status_code=202)
    async def replay_letter(letter_id: str, principal: replayer, force: bool = False) -> dict[str, str]:
        """Replay a dead letter; at most once unless forced."""
        await desk.replay(letter_id, principal.id, force=force)
        return {"id": letter_id, "status": "replayed"}

    return router
