"""The only import of the Mongo driver (motor): connecting, indexes, error mapping (design §4, kafka-notes).

Stores use the subset that any MongoDB-protocol server has: no transactions, change streams, partial indexes or
pipeline updates.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from gridfs.errors import NoFile
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
    AsyncIOMotorGridFSBucket,
)
from pymongo import ASCENDING, DESCENDING, InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

logger = logging.getLogger(__name__)

Document = dict[str, Any]
Collection = AsyncIOMotorCollection[Document]
Database = AsyncIOMotorDatabase[Document]
Client = AsyncIOMotorClient[Document]
RawDocument = RawBSONDocument
"""A document as the server has it, byte for byte: `raw`; fields are read when they are asked for."""
FileBucket = AsyncIOMotorGridFSBucket
"""GridFS: files in chunks beside the documents. A writer holds up to 32 MB before it sends them (pymongo 4)."""

__all__ = [
    "ASCENDING",
    "DESCENDING",
    "BulkWriteError",
    "Client",
    "Collection",
    "Database",
    "Document",
    "DuplicateKeyError",
    "ExecutionTimeout",
    "FileBucket",
    "Index",
    "InsertOne",
    "NoFile",
    "PyMongoError",
    "RawDocument",
    "ReturnDocument",
    "UpdateOne",
    "connect",
    "ensure_indexes",
    "is_duplicate",
    "is_unavailable",
    "ping",
    "until_available",
    "untouched",
]

_UNAVAILABLE = (
    ConnectionFailure,
    ExecutionTimeout,
    NotPrimaryError,
    ServerSelectionTimeoutError,
    WTimeoutError,
    WaitQueueTimeoutError,
)
_DEADLOCK = 16908292
"""PostgreSQL's deadlock_detected (SQLSTATE 40P01), packed into a number as DocumentDB passes it on."""
_UNAVAILABLE_CODES = frozenset({6, 7, 64, 89, 91, 112, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, _DEADLOCK})
"""Server answers that mean: not now, or not known whether done (step-down, shutdown, network, conflict)."""

_DUPLICATE = 11000


def connect(url: str) -> Client:
    """Return a client of this event loop; nothing is contacted until the first call.

    Writes are acknowledged by a majority and journalled: what is acknowledged survives a crash.
    """
    return AsyncIOMotorClient(
        url,
        tz_aware=True,
        w="majority",
        journal=True,
        connectTimeoutMS=2000,
        serverSelectionTimeoutMS=2000,
        socketTimeoutMS=20000,
        maxPoolSize=50,
        waitQueueTimeoutMS=10000,
        appname="musubi",
    )


def is_duplicate(error: BaseException) -> bool:
    """Whether a unique index refused the write."""
    return isinstance(error, DuplicateKeyError)


def is_unavailable(error: BaseException) -> bool:
    """Whether the store cannot be reached or cannot say: the same call again, later, is right."""
    if isinstance(error, BulkWriteError):
        codes = {problem.get("code") for problem in (error.details or {}).get("writeErrors", [])}
        concern = (error.details or {}).get("writeConcernErrors")
        return bool(codes & _UNAVAILABLE_CODES) or bool(concern)
    if isinstance(error, _UNAVAILABLE):
        return True
    return isinstance(error, OperationFailure) and error.code in _UNAVAILABLE_CODES


def duplicate_positions(error: BulkWriteError) -> list[int]:
    """Return which operations of an unordered bulk failed on a unique index.

    Raises:
        BulkWriteError: the given one, where something else failed too.
    """
    problems = (error.details or {}).get("writeErrors", [])
    if (error.details or {}).get("writeConcernErrors") or any(p["code"] != _DUPLICATE for p in problems):
        raise error
    return [int(problem["index"]) for problem in problems]


def untouched(collection: Collection) -> AsyncIOMotorCollection[RawDocument]:
    """Return a collection whose documents come and go as the bytes that the server has."""
    options: CodecOptions[RawDocument] = CodecOptions(document_class=RawDocument)
    return cast(AsyncIOMotorCollection[RawDocument], collection.with_options(codec_options=options))


async def ping(client: Client) -> str | None:
    """Readiness check: None where the server answers, else a reason."""
    try:
        await client.admin.command("ping")
    except PyMongoError as error:
        return f"the store does not answer ({error.__class__.__name__})"
    return None


@dataclass(frozen=True)
class Index:
    """An index of a collection: `keys` as (field, direction); `expire_seconds` makes it a TTL index."""

    collection: str
    keys: Sequence[tuple[str, int]]
    unique: bool = False
    sparse: bool = False
    expire_seconds: int | None = None

    @property
    def options(self) -> Mapping[str, Any]:
        """The options given to the server."""
        options: dict[str, Any] = {"name": "_".join(f"{field}_{direction}" for field, direction in self.keys)}
        if self.unique:
            options["unique"] = True
        if self.sparse:
            options["sparse"] = True
        if self.expire_seconds is not None:
            options["expireAfterSeconds"] = self.expire_seconds
        return options


async def ensure_indexes(database: Database, indexes: Sequence[Index]) -> None:
    """Make the indexes that are missing; those that are there cost nothing."""
    for index in indexes:
        await database[index.collection].create_index(list(index.keys), **index.options)


async def until_available(step: Callable[[], Awaitable[None]], what: str, pause: float = 0.5) -> None:
    """Run a start-up step again and again until the store is there: a service waits for it, alive and not ready."""
    while True:
        try:
            await step()
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            logger.warning("waiting for the store", extra={"step": what, "reason": error.__class__.__name__})
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)
        else:
            return
