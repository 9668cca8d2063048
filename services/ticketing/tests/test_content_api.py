"""What users sent, as staff get it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.ticketing.tests.content_rig import SLUG, Rig, content_rig
from shared.mongo import Database

pytestmark = pytest.mark.integration

PHOTO = b"\xff\xd8\xff" + b"x" * 300_000


@pytest_asyncio.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    """Return the room with a friend of the account."""
    async with content_rig(database, tmp_path) as rig:
        yield rig


async def test_a_photo_is_shown(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO, media_type="image/jpeg")
    async with rig.client() as staff:
        answer = await staff.get(f"/v1/content/{SLUG}/{piece.message_id}")
    assert (answer.status_code, answer.content) == (200, PHOTO)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(PHOTO))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-disposition" not in answer.headers


@pytest.mark.parametrize("media_type", ["application/pdf", "image/svg+xml", "text/html; charset=utf-8", "nonsense"])
async def test_everything_else_is_saved_not_shown(rig: Rig, media_type: str) -> None:
    message_id = await rig.send("file", b"<script>", media_type=media_type, file_name='授權書 "1".pdf')
    await rig.want(message_id, "file", fileName='授權書 "1".pdf', fileSize=8)
    await rig.fetch(message_id)
    async with rig.client() as staff:
        answer = await staff.get(f"/v1/content/{SLUG}/{message_id}")
    assert answer.content == b"<script>"
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''%E6%8E%88%E6%AC%8A%E6%9B%B8%20%221%22.pdf"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_what_is_not_there_yet_is_asked_for_again(rig: Rig) -> None:
    piece = await rig.fetched("video", PHOTO, prepare_ms=60_000)
    async with rig.client() as staff:
        answer = await staff.get(f"/v1/content/{SLUG}/{piece.message_id}")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "3")


async def test_what_was_taken_back_is_gone(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO)
    await rig.desk.erase_message(rig.contact, piece.message_id)
    async with rig.client() as staff:
        answer = await staff.get(f"/v1/content/{SLUG}/{piece.message_id}")
    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/gone")


async def test_what_is_not_kept_says_why(rig: Rig) -> None:
    await rig.want("1", "file", fileSize=10**9)
    async with rig.client() as staff:
        too_large = await staff.get(f"/v1/content/{SLUG}/1")
        unknown = await staff.get(f"/v1/content/{SLUG}/2")
    assert (too_large.status_code, "larger" in too_large.json()["detail"]) == (404, True)
    assert unknown.status_code == 404


async def test_others_do_not_see_it(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO)
    path = f"/v1/content/{SLUG}/{piece.message_id}"
    async with rig.client(channel="other") as stranger, rig.client(role="viewer") as viewer:
        assert (await stranger.get(path)).status_code == 404
        assert (await viewer.get(path)).status_code == 403
