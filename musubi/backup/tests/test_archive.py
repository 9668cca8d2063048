"""The file of a backup: whole or not there, read as it was written, refused where it was not."""

from __future__ import annotations

import asyncio
import os
import struct
import zipfile
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from musubi.backup.archive import FORMAT, BadArchive, Manifest, Saved, opened, writing

NOW = datetime(2026, 8, 1, tzinfo=UTC)


def document(text: str) -> bytes:
    """Return `{"t": text}` as BSON."""
    value = text.encode() + b"\x00"
    body = b"\x02t\x00" + struct.pack("<i", len(value)) + value + b"\x00"
    return struct.pack("<i", len(body) + 4) + body


DOCUMENTS = [document("a"), document("b" * 3_000_000), document("")]


async def stream(documents: list[bytes]) -> AsyncIterator[bytes]:
    for each in documents:
        yield each


async def written(path: Path, documents: list[bytes], changes: Mapping[str, object] | None = None) -> Path:
    with writing(path) as archive:
        part = await archive.write("binding", "members", stream(documents))
        saved = Saved(began_at=NOW, ended_at=NOW, parts=[part.model_copy(update=changes)], offsets=[])
        archive.close(Manifest(format=FORMAT, began_at=NOW, services={"binding": saved}))
    return path


def verified(path: Path) -> Mapping[str, Saved]:
    with opened(path) as archive:
        archive.verify(archive.manifest.services)
        return archive.manifest.services


async def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = await written(tmp_path / "b.zip", DOCUMENTS)

    [part] = verified(path)["binding"].parts
    with opened(path) as archive:
        assert list(archive.documents("binding", "members")) == DOCUMENTS
    assert (part.documents, part.bytes) == (3, sum(map(len, DOCUMENTS)))
    assert path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(path) as plain:
        assert plain.read("binding/members.bson") == b"".join(DOCUMENTS), "as mongodump writes it"


async def test_a_backup_that_fails_leaves_nothing_and_one_that_is_there_stays(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(tmp_path / "b.zip"):
        raise ZeroDivisionError
    assert await asyncio.to_thread(os.listdir, tmp_path) == []

    path = await written(tmp_path / "b.zip", DOCUMENTS)
    with pytest.raises(StackError, match="is there already"), writing(path):
        pass
    assert verified(path)
    with pytest.raises(StackError, match="cannot be written"), writing(tmp_path / "nowhere" / "b.zip"):
        pass


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"documents": 2}, {"bytes": 1}, {"collection": "others"}])
async def test_another_content_than_the_manifest_tells_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    path = await written(tmp_path / "b.zip", DOCUMENTS, changes)

    with pytest.raises(BadArchive):
        verified(path)


@pytest.mark.parametrize("wrong", [b"\x04\x00\x00\x00", b"\xff\xff\xff\x7f", document("a")[:-3], b"\x01"])
async def test_what_is_no_document_is_refused(tmp_path: Path, wrong: bytes) -> None:
    path = await written(tmp_path / "b.zip", [document("a"), wrong])

    with pytest.raises(BadArchive):
        verified(path)


@pytest.mark.parametrize("manifest", [None, "{", '{"format": 2, "began_at": "2026-08-01T00:00:00Z", "services": {}}'])
def test_another_file_is_no_backup(tmp_path: Path, manifest: str | None) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as other:
        if manifest is not None:
            other.writestr("manifest.json", manifest)
    (tmp_path / "text").write_text("nothing")

    for name in ("b.zip", "text", "nowhere"):
        with pytest.raises(BadArchive), opened(tmp_path / name):
            pass
