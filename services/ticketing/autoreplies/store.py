"""Where rules are kept, and the copy of them that each process answers from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any, Protocol, cast

from services.ticketing.autoreplies.model import Rule, Rules, Window, index
from shared.clock import monotonic
from shared.mongo import ASCENDING, Database, Document, DuplicateKeyError, Index

COLLECTION = "auto_replies"
INDEXES: tuple[Index, ...] = (Index(COLLECTION, [("channel", ASCENDING), ("name", ASCENDING)], unique=True),)
FRESH_SECONDS = 1.5
"""How long a process answers from its copy: a changed rule answers everywhere within two seconds."""


class Changed(Exception):
    """Someone else changed the rule since it was read; `version` is what it has now, None where there is none."""

    def __init__(self, version: int | None) -> None:
        super().__init__()
        self.version = version


class RuleStore(Protocol):
    """Keeps rules."""

    async def get(self, channel: str, name: str) -> Rule | None:
        """Return a rule."""

    async def of(self, channel: str) -> list[Rule]:
        """Return every rule of an account."""

    async def page(self, channel: str, after: str | None, limit: int) -> list[Rule]:
        """Return an account's rules by name, after the given one."""

    async def save(self, rule: Rule) -> Rule:
        """Write a rule read at `rule.version` (0: new) and return it with its new version.

        Raises:
            Changed: it is not at that version.
        """

    async def delete(self, channel: str, name: str, version: int) -> None:
        """Delete a rule.

        Raises:
            Changed: it is not at that version.
        """


def _id(channel: str, name: str) -> str:
    return f"{channel}/{name}"


def _document(rule: Rule) -> Document:
    return {
        "channel": rule.channel,
        "name": rule.name,
        "keywords": list(rule.keywords),
        "audience": rule.audience,
        "when": rule.when,
        "windows": [
            {"days": list(window.days), "from": f"{window.start:%H:%M}", "to": f"{window.end:%H:%M}"}
            for window in rule.windows
        ],
        "messages": [dict(message) for message in rule.messages],
        "start_flow": rule.start_flow,
        "priority": rule.priority,
        "version": rule.version,
        "updated_at": rule.updated_at,
        "updated_by": rule.updated_by,
    }


def _read(document: Document) -> Rule:
    windows = tuple(
        Window(tuple(entry["days"]), time.fromisoformat(entry["from"]), time.fromisoformat(entry["to"]))
        for entry in document["windows"]
    )
    plain = cast("dict[str, Any]", {name: value for name, value in document.items() if name != "_id"})
    return Rule(**plain | {"keywords": tuple(document["keywords"]), "windows": windows})


class MongoRules:
    """Rules in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._rules = database[COLLECTION]

    async def get(self, channel: str, name: str) -> Rule | None:
        """Return a rule."""
        document = await self._rules.find_one({"_id": _id(channel, name)})
        return _read(document) if document else None

    async def of(self, channel: str) -> list[Rule]:
        """Return every rule of an account."""
        return [_read(document) async for document in self._rules.find({"channel": channel})]

    async def page(self, channel: str, after: str | None, limit: int) -> list[Rule]:
        """Return an account's rules by name."""
        query: Document = {"channel": channel} | ({"name": {"$gt": after}} if after else {})
        cursor = self._rules.find(query).sort("name", ASCENDING).limit(limit)
        return [_read(document) async for document in cursor]

    async def save(self, rule: Rule) -> Rule:
        """Write a rule as one compare-and-set on its version."""
        key = _id(rule.channel, rule.name)
        document = _document(rule) | {"version": rule.version + 1}
        if rule.version == 0:
            try:
                await self._rules.insert_one({"_id": key, **document})
            except DuplicateKeyError:
                raise await self._changed(rule.channel, rule.name) from None
        else:
            result = await self._rules.update_one({"_id": key, "version": rule.version}, {"$set": document})
            if not result.matched_count:
                raise await self._changed(rule.channel, rule.name)
        return _read(document)

    async def delete(self, channel: str, name: str, version: int) -> None:
        """Delete a rule at a version."""
        result = await self._rules.delete_one({"_id": _id(channel, name), "version": version})
        if not result.deleted_count:
            raise await self._changed(channel, name)

    async def _changed(self, channel: str, name: str) -> Changed:
        found = await self.get(channel, name)
        return Changed(found.version if found else None)


class RuleBook:
    """The rules as this process answers by them: read once an account and moment, not once a message."""

    def __init__(self, store: RuleStore, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._clock = clock
        self._pages: dict[str, tuple[float, Rules]] = {}

    async def of(self, channel: str) -> Rules:
        """Return an account's rules, at most `FRESH_SECONDS` old."""
        page = self._pages.get(channel)
        if page is not None and self._clock() - page[0] < FRESH_SECONDS:
            return page[1]
        read_at = self._clock()
        rules = index(await self._store.of(channel))
        self._pages[channel] = (read_at, rules)
        return rules

    def forget(self, channel: str) -> None:
        """Read an account's rules anew: they were just changed here."""
        self._pages.pop(channel, None)
