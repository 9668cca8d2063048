"""Published flows: a document a version, which never changes; and the catalogue a process answers from."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import yaml
from pydantic import ValidationError

from services.ticketing.flows.definition import Definition, Script
from services.ticketing.flows.wording import is_one_of
from shared.channels import BadFile
from shared.clock import monotonic
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "flows"
SUPERSEDED_KEPT_DAYS = 90
"""Sessions end after hours; one that finds its version gone is let go."""
INDEXES = (
    Index(COLLECTION, [("channel", ASCENDING), ("name", ASCENDING), ("version", ASCENDING)]),
    Index(COLLECTION, [("superseded_at", ASCENDING)], expire_seconds=SUPERSEDED_KEPT_DAYS * 86_400),
)
CATALOGUE_SECONDS = 2.0
"""How old a process's copy of an account's flows may be."""


@dataclass(frozen=True, slots=True)
class Published:
    """Who published a version, and when; the built-in ones are nobody's."""

    name: str
    version: int
    at: datetime | None = None
    by: str | None = None


class FlowStore(Protocol):
    """Keeps published versions."""

    async def versions(self, channel: str) -> Sequence[Published]:
        """Return the versions there are of an account's flows."""

    async def load(self, channel: str, name: str, version: int) -> Definition | None:
        """Return a version."""

    async def publish(self, channel: str, definition: Definition, by: str, at: datetime) -> bool:
        """Keep a new version; False where someone has just published one with its number."""


def _id(channel: str, name: str, version: int) -> str:
    return f"{channel}/{name}/{version}"


class MongoFlows:
    """Published flows in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._flows = database[COLLECTION]

    async def versions(self, channel: str) -> Sequence[Published]:
        """Return the versions there are of an account's flows."""
        found = self._flows.find({"channel": channel}, {"script": 0})
        return [
            Published(document["name"], document["version"], document["saved_at"], document["saved_by"])
            async for document in found
        ]

    async def load(self, channel: str, name: str, version: int) -> Definition | None:
        """Return a version."""
        document = await self._flows.find_one({"_id": _id(channel, name, version)})
        return Definition(name=name, version=version, **document["script"]) if document else None

    async def publish(self, channel: str, definition: Definition, by: str, at: datetime) -> bool:
        """Keep a new version; older ones stay for the sessions that use them."""
        document: Document = {
            "_id": _id(channel, definition.name, definition.version),
            "channel": channel,
            "name": definition.name,
            "version": definition.version,
            "script": definition.model_dump(mode="json", exclude={"name", "version"}),
            "saved_at": at,
            "saved_by": by,
        }
        try:
            await self._flows.insert_one(document)
        except DuplicateKeyError:
            return False
        older = {"channel": channel, "name": definition.name, "version": {"$lt": definition.version}}
        await self._flows.update_many({**older, "superseded_at": None}, {"$set": {"superseded_at": at}})
        return True


@dataclass(frozen=True)
class Catalogue:
    """The flows of one account as they were a moment ago: its own, and the built-in ones it has not replaced."""

    newest: Mapping[str, Definition]
    versions: Mapping[tuple[str, int], Definition]
    published: Mapping[str, Published]

    def named(self, name: str) -> Definition | None:
        """Return the newest version of a flow."""
        return self.newest.get(name)

    def starting(self, text: str) -> Definition | None:
        """Return the flow that has this text as a start word, the first by name."""
        return next((flow for _, flow in sorted(self.newest.items()) if is_one_of(text, flow.start_words)), None)

    def version(self, name: str, version: int) -> Definition | None:
        """Return a flow as a session began it."""
        return self.versions.get((name, version))


@dataclass
class _Copy:
    """A process's copy of an account's flows."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    catalogue: Catalogue | None = None
    read_at: float = 0.0


class FlowBook:
    """The guided flows of every account; versions never change, so each is read once a process."""

    def __init__(self, store: FlowStore, built_in: Sequence[Definition]) -> None:
        self._store = store
        self._built_in = {definition.name: definition for definition in built_in}
        self._copies: dict[str, _Copy] = {}

    async def of(self, channel: str, *, fresh: bool = False) -> Catalogue:
        """Return an account's flows, at most two seconds old; `fresh` reads them now."""
        copy = self._copies.setdefault(channel, _Copy())
        asked_at = monotonic()
        async with copy.lock:
            newest = asked_at if fresh else asked_at - CATALOGUE_SECONDS
            if copy.catalogue is None or copy.read_at < newest:
                read_at = monotonic()
                copy.catalogue = await self._read(channel, copy.catalogue)
                copy.read_at = read_at
            return copy.catalogue

    async def definition_for(self, channel: str, name: str, version: int | None = None) -> Definition | None:
        """Return a flow of an account: its newest version, or the one named."""
        catalogue = await self.of(channel)
        if version is None:
            return catalogue.named(name)
        found = catalogue.version(name, version)
        return found or (await self.of(channel, fresh=True)).version(name, version)

    async def _read(self, channel: str, before: Catalogue | None) -> Catalogue:
        known = before.versions if before else {}
        newest = dict(self._built_in)
        versions = {(name, definition.version): definition for name, definition in self._built_in.items()}
        published = {name: Published(name, definition.version) for name, definition in self._built_in.items()}
        for each in sorted(await self._store.versions(channel), key=lambda each: each.version):
            key = (each.name, each.version)
            definition = known.get(key) or await self._store.load(channel, each.name, each.version)
            if definition is not None:
                versions[key] = newest[each.name] = definition
                published[each.name] = each
        return Catalogue(newest, versions, published)


def load_built_in() -> list[Definition]:
    """Read the flows that come with the service, from the files beside this one.

    Raises:
        BadFile: one does not hold what it must.
    """
    return [_load(path) for path in sorted(Path(__file__).parent.glob("*.yaml"))]


def _load(path: Path) -> Definition:
    try:
        return Definition.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise BadFile(f"{path.name}: {error}") from None


def next_version(catalogue: Catalogue, name: str, script: Script) -> Definition:
    """Return a script as the version of a flow after its newest."""
    current = catalogue.named(name)
    fields = {field: getattr(script, field) for field in Script.model_fields}
    return Definition(name=name, version=current.version + 1 if current else 1, **fields)
