"""A store with the subset of MongoDB that the chassis uses: single-document atomicity, unique `_id`, unordered bulks.

A write that trouble strikes raises what the driver raises, and may have been applied, or be applied later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from tests.simulation.documents import Document, change, clone, matches
from tests.simulation.loop import Process
from tests.simulation.world import World

Table = dict[Any, Document]


@dataclass(frozen=True)
class Updated:
    """What an update answers."""

    matched_count: int


class Store:
    """All documents, which no process's death touches."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = defaultdict(dict)


class Database:
    """A process's client of the store."""

    def __init__(self, world: World, store: Store, process: Process) -> None:
        self.world = world
        self.store = store
        self.process = process

    def __getitem__(self, name: str) -> Collection:
        return Collection(self, name)


def _trouble() -> Exception:
    return AutoReconnect("the connection broke")


class Collection:
    """A collection as motor shows it."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self._table = database.store.tables[name]

    def call(self, what: str, apply: Any) -> Any:
        """Carry a call to the store."""
        database = self.database
        return database.world.call(database.process, "store", f"{self.name}.{what}", apply, _trouble)

    async def find_one(self, where: Mapping[str, Any], projection: Mapping[str, Any] | None = None) -> Document | None:
        """Return the first that matches."""
        found: Document | None = await self.call("find_one", lambda: clone(self._first(where)))
        return found

    def find(self, where: Mapping[str, Any], projection: Mapping[str, Any] | None = None) -> Cursor:
        """Return those that match."""
        return Cursor(self, where)

    async def insert_one(self, document: Document) -> None:
        """Insert, or raise DuplicateKeyError."""
        await self.call("insert_one", lambda: self._insert(document))

    async def insert_many(self, documents: Sequence[Document], ordered: bool) -> None:
        """Insert those whose id is new."""
        assert not ordered
        await self.call("insert_many", lambda: self._insert_many(documents))

    async def update_one(
        self,
        where: Mapping[str, Any],
        changes: Mapping[str, Any],
        upsert: bool = False,
        array_filters: Sequence[Mapping[str, Any]] = (),
    ) -> Updated:
        """Change the first that matches."""
        answer: Updated = await self.call("update_one", lambda: self._update(where, changes, upsert, array_filters))
        return answer

    async def find_one_and_update(
        self,
        where: Mapping[str, Any],
        changes: Mapping[str, Any],
        projection: Mapping[str, Any] | None = None,
        return_document: bool = ReturnDocument.BEFORE,
    ) -> Document | None:
        """Change the first that matches and return it as it is then."""
        assert return_document == ReturnDocument.AFTER

        def apply() -> Document | None:
            if (document := self._first(where)) is not None:
                change(document, changes)
            return clone(document)  # type: ignore[no-any-return]

        found: Document | None = await self.call("find_one_and_update", apply)
        return found

    async def delete_one(self, where: Mapping[str, Any]) -> None:
        """Delete the first that matches."""

        def apply() -> None:
            if (document := self._first(where)) is not None:
                del self._table[document["_id"]]

        await self.call("delete_one", apply)

    async def bulk_write(self, operations: Sequence[UpdateOne], ordered: bool) -> None:
        """Apply updates."""

        def apply() -> None:
            for operation in operations:
                self._update(operation._filter, cast(Document, operation._doc), False, ())

        await self.call("bulk_write", apply)

    def select(self, where: Mapping[str, Any]) -> list[Document]:
        """Return copies of what matches just now."""
        return [clone(document) for document in self._table.values() if matches(document, where)]

    def _first(self, where: Mapping[str, Any]) -> Document | None:
        wanted = where.get("_id")
        if isinstance(wanted, str):
            document = self._table.get(wanted)
            return document if document is not None and matches(document, where) else None
        return next((document for document in self._table.values() if matches(document, where)), None)

    def _insert(self, document: Document) -> None:
        if document["_id"] in self._table:
            raise DuplicateKeyError("duplicate", 11000)
        self._table[document["_id"]] = clone(document)

    def _insert_many(self, documents: Sequence[Document]) -> None:
        errors = []
        for index, document in enumerate(documents):
            try:
                self._insert(document)
            except DuplicateKeyError:
                errors.append({"index": index, "code": 11000})
        if errors:
            raise BulkWriteError({"writeErrors": errors})

    def _update(
        self,
        where: Mapping[str, Any],
        changes: Mapping[str, Any],
        upsert: bool,
        array_filters: Sequence[Mapping[str, Any]],
    ) -> Updated:
        document = self._first(where)
        if document is not None:
            change(document, changes, array_filters)
            return Updated(1)
        if upsert:
            fresh: Document = {"_id": where["_id"]}
            change(fresh, changes, array_filters, new=True)
            self._insert(fresh)
        return Updated(0)


class Cursor:
    """What a find returns; asked when it is first iterated."""

    def __init__(self, collection: Collection, where: Mapping[str, Any]) -> None:
        self._collection = collection
        self._where = where
        self._by: str | None = None
        self._limit: int | None = None

    def sort(self, by: str, direction: int) -> Cursor:
        """Order, ascending."""
        self._by = by
        return self

    def limit(self, most: int) -> Cursor:
        """Return at most so many."""
        self._limit = most
        return self

    async def __aiter__(self) -> AsyncIterator[Document]:
        found = await self._collection.call("find", lambda: self._collection.select(self._where))
        if (by := self._by) is not None:
            found.sort(key=lambda document: document[by])
        for document in found[: self._limit]:
            yield document
