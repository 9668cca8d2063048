"""How chunks lie in the store: a small document a chunk, its people and its bytes in documents of their own.

A chunk changes three times, its people never do: apart, each change costs some hundred bytes instead of 40 kB, and a
campaign of a million people is counted by reading 2,000 small documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.broadcast.sending.model import Attempt, Chunk, People, Skip
from shared.mongo import ASCENDING, Document, Index
from shared.outbox import outbox_indexes

CHUNKS = "chunks"
PEOPLE = "chunk_people"
BODIES = "chunk_bodies"
BODY_SECONDS = 3 * 24 * 3600
"""A body is of use for the 24 h of its retry key; then it goes, also where its chunk never came to use it."""

INDEXES: tuple[Index, ...] = (
    Index(CHUNKS, [("campaign", ASCENDING), ("last", ASCENDING)]),
    Index(CHUNKS, [("campaign", ASCENDING), ("state", ASCENDING), ("n", ASCENDING)]),
    Index(CHUNKS, [("until", ASCENDING)], sparse=True),
    Index(PEOPLE, [("campaign", ASCENDING)]),
    Index(BODIES, [("at", ASCENDING)], expire_seconds=BODY_SECONDS),
    *outbox_indexes(CHUNKS),
)


def skips_document(skips: Iterable[Skip]) -> list[Document]:
    """Return skips as they are stored."""
    return [{"contact": skip.contact, "reason": skip.reason} for skip in skips]


def read_skips(stored: Iterable[Document]) -> tuple[Skip, ...]:
    """Return stored skips."""
    return tuple(Skip(each["contact"], each["reason"]) for each in stored)


def people_document(recipients: Sequence[str], skipped: Iterable[Skip]) -> Document:
    """Return people as they are stored: recipients as one text, a line each, for an array of 500 costs five times as
    much to read."""
    return {"recipients": "\n".join(recipients), "skipped": skips_document(skipped)}


def read_people(document: Document) -> People:
    """Return whom a chunk was frozen with. An array, as an earlier form had it, is read too."""
    stored: str | list[str] = document["recipients"]
    recipients = stored.split("\n") if isinstance(stored, str) else stored
    return People(tuple(recipients) if stored else (), read_skips(document["skipped"]))


def read_chunk(document: Document) -> Chunk:
    """Return a stored chunk."""
    attempt = document.get("attempt")
    return Chunk(
        id=document["_id"],
        campaign=document["campaign"],
        channel=document["channel"],
        n=document["n"],
        state=document["state"],
        first=document["first"],
        last=document["last"],
        frozen=document["frozen"],
        skips=document["skips"],
        people=document["people"],
        revision=document["revision"],
        dropped=read_skips(document["dropped"]),
        until=document.get("until"),
        attempt=_read_attempt(attempt) if attempt else None,
        request_id=document.get("request_id"),
        ended_at=document.get("ended_at"),
        problem=document.get("problem"),
    )


def _read_attempt(stored: Document) -> Attempt:
    return Attempt(
        claim=stored["claim"],
        retry_key=stored["retry_key"],
        first_attempt_at=stored["first_attempt_at"],
        attempts=stored["attempts"],
        doubted=stored["doubted"],
        recipients=stored["recipients"],
        body=stored["body"],
    )
