"""The file of a backup: a zip of one `.bson` a collection, as mongodump writes them, and a manifest with checksums.

Written beside its place and renamed, so that a file of that name is whole; readable by its owner alone, since it holds
everything about everybody. Memory stays flat: documents are streamed both ways.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import AsyncIterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.errors import StackError

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_DOCUMENT = 17 * 1024 * 1024
"""MongoDB's limit is 16 MiB, and some."""
_PIECE = 1 << 20
_LENGTH = struct.Struct("<i")


class BadArchive(StackError):
    """The file is no backup, or is not what was written: nothing of it may be used."""


class Part(BaseModel):
    """A collection in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    collection: str
    documents: int
    bytes: int
    sha256: str


class Offset(BaseModel):
    """How far a consumer group had come in a partition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    partition: int
    offset: int


class Saved(BaseModel):
    """What the file has of a service. The offsets were read before the first document: no effect of an earlier record
    is missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    began_at: datetime
    ended_at: datetime
    parts: list[Part]
    offsets: list[Offset]
    highest_version: int | None = None
    """Of a member, in binding's."""


class Manifest(BaseModel):
    """What a backup holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    began_at: datetime
    services: dict[str, Saved]


@dataclass
class ArchiveWriter:
    """Writes the collections of a backup."""

    _zip: zipfile.ZipFile = field(repr=False)

    async def write(self, service: str, collection: str, documents: AsyncIterable[bytes]) -> Part:
        """Write a collection's documents and return what the manifest says of it."""
        digest, count, size = hashlib.sha256(), 0, 0
        with self._zip.open(_member(service, collection), "w", force_zip64=True) as out:
            async for document in documents:
                out.write(document)
                digest.update(document)
                count, size = count + 1, size + len(document)
        return Part(collection=collection, documents=count, bytes=size, sha256=digest.hexdigest())

    def close(self, manifest: Manifest) -> None:
        """Write the manifest, which makes the file a backup."""
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=2))


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """A new backup, which takes its name when the block has ended well; else nothing is left.

    Raises:
        StackError: there is such a file, or it cannot be written.
    """
    if path.exists():
        raise StackError(f"{path} is there already")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                yield ArchiveWriter(archive)
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(path)
    except OSError as error:
        raise StackError(f"{path} cannot be written ({error.strerror})") from None
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


class Archive:
    """A backup that is there."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        self.manifest = _manifest(opened)

    def verify(self, services: Mapping[str, Saved]) -> None:
        """Read everything of these services once.

        Raises:
            BadArchive: a checksum, a count or a document is not what was written.
        """
        for service, saved in services.items():
            for part in saved.parts:
                self._verify(service, part)

    def _verify(self, service: str, part: Part) -> None:
        digest, count, size = hashlib.sha256(), 0, 0
        for document in self.documents(service, part.collection):
            digest.update(document)
            count, size = count + 1, size + len(document)
        if (digest.hexdigest(), count, size) != (part.sha256, part.documents, part.bytes):
            raise BadArchive(f"{_member(service, part.collection)} is not what was written: its checksum differs")

    def documents(self, service: str, collection: str) -> Iterator[bytes]:
        """Yield a collection's documents as BSON.

        Raises:
            BadArchive: they cannot be read.
        """
        name = _member(service, collection)
        try:
            with self._zip.open(name) as stream:
                yield from _documents(stream, name)
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error):
            raise BadArchive(f"{name} cannot be read: the file is damaged") from None


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a backup.

    Raises:
        BadArchive: the file is none, or of another format.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile):
        raise BadArchive(f"{path} is no backup: it cannot be opened") from None
    with archive:
        yield Archive(archive)


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
    except (KeyError, ValidationError, zipfile.BadZipFile, zlib.error):
        raise BadArchive("this is no backup: its manifest cannot be read") from None
    if manifest.format != FORMAT:
        raise BadArchive(f"this backup has format {manifest.format}; this release reads {FORMAT}")
    return manifest


def _member(service: str, collection: str) -> str:
    return f"{service}/{collection}.bson"


def _documents(stream: IO[bytes], name: str) -> Iterator[bytes]:
    while head := _exactly(stream, _LENGTH.size, name, may_end=True):
        (length,) = _LENGTH.unpack(head)
        if not 5 <= length <= LARGEST_DOCUMENT:
            raise BadArchive(f"{name} holds something that is no document")
        yield head + _exactly(stream, length - _LENGTH.size, name)


def _exactly(stream: IO[bytes], size: int, name: str, *, may_end: bool = False) -> bytes:
    found = b""
    while len(found) < size and (piece := stream.read(min(size - len(found), _PIECE))):
        found += piece
    if len(found) < size and (found or not may_end):
        raise BadArchive(f"{name} ends in the middle of a document")
    return found
