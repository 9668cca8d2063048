"""`musubi backup` and `musubi restore` as a person gives them, on the real servers."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.local.errors import StackError
from musubi.app import app
from shared.ids import ulid
from shared.mongo import Document, connect

pytestmark = pytest.mark.integration


@dataclass
class Desk:
    """A person at a command line, and a database of theirs."""

    kafka_url: str
    mongo_url: str
    folder: Path
    database: str

    def musubi(self, *arguments: str) -> Result:
        """Give a command."""
        key = self.folder / "erasure.key"
        key.write_text(base64.b64encode(bytes(32)).decode())
        named = (f"--database=insights={self.database}", f"--group=insights={self.database}", "--service=insights")
        environment = {"KAFKA_URL": self.kafka_url, "MONGO_URL": self.mongo_url, "ERASURE_KEY_FILE": str(key)}
        return CliRunner().invoke(app, [*arguments, *named], env=environment)

    def write(self, *documents: Document) -> None:
        """Put documents into the database."""

        async def write() -> None:
            client = connect(self.mongo_url)
            await client[self.database]["counters"].insert_many(documents)
            await client[self.database]["leases"].insert_one({"owner": "somebody"})
            client.close()

        asyncio.run(write())

    def read(self) -> dict[str, list[Document]]:
        """Return what is in the database."""

        async def read() -> dict[str, list[Document]]:
            client = connect(self.mongo_url)
            database = client[self.database]
            found = {
                name: await database[name].find({}).to_list(None) for name in await database.list_collection_names()
            }
            client.close()
            return found

        return asyncio.run(read())

    def drop(self) -> None:
        """Lose the database."""

        async def drop() -> None:
            client = connect(self.mongo_url)
            await client.drop_database(self.database)
            client.close()

        asyncio.run(drop())


@pytest.fixture
def desk(kafka_url: str, mongo_url: str, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(kafka_url, mongo_url, tmp_path, f"test_{ulid().lower()}")
    yield desk
    desk.drop()


def test_a_lost_database_comes_back_from_a_file(desk: Desk) -> None:
    counters: list[Document] = [{"_id": {"metric": "adds", "day": n}, "slots": [{"count": n}]} for n in range(1200)]
    desk.write(*counters)

    done = desk.musubi("backup", "--to", str(desk.folder))
    assert done.exit_code == 0, repr(done.exc_info)
    [file] = desk.folder.glob("musubi-*.zip")
    assert "insights: 1200 documents of 1 collections" in done.output
    refused = desk.musubi("restore", str(file))
    assert isinstance(refused.exception, StackError)
    assert "--replace" in str(refused.exception)
    desk.drop()
    done = desk.musubi("restore", str(file))

    assert done.exit_code == 0, repr(done.exc_info)
    assert "insights: 1200 documents" in done.output
    found = desk.read()
    assert sorted(found["counters"], key=lambda entry: entry["_id"]["day"]) == counters
    assert set(found) == {"counters", "restores"}, "leases are nobody's now"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("backup", "--to", "/nowhere/at/all.zip"), "cannot be written"),
        (("backup", "--to", "/tmp", "--service", "ingest"), "owns nothing"),
        (("backup", "--to", "/tmp", "--database", "insights"), "not service=name"),
        (("restore", "/nowhere.zip"), "is no backup"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    refused = desk.musubi(*arguments)

    assert isinstance(refused.exception, StackError)
    assert words in str(refused.exception)
