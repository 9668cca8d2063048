"""What users send is fetched, kept whole, and erased when they ask: whatever LINE and our processes do meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from services.ticketing.content.model import piece_id
from services.ticketing.tests.content_rig import MOST_BYTES, SLUG, Interrupted, Rig, content_rig
from shared.mongo import Database
from shared.testing.waiting import eventually

pytestmark = pytest.mark.integration

PHOTO = os.urandom(300_000)


@pytest_asyncio.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    """Return the room with a friend of the account."""
    async with content_rig(database, tmp_path) as rig:
        yield rig


async def test_a_photo_is_kept_whole_with_its_size_type_and_digest(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO, media_type="image/jpeg")
    assert (piece.state, piece.size, piece.media_type) == ("kept", len(PHOTO), "image/jpeg")
    assert piece.sha256 == hashlib.sha256(PHOTO).hexdigest()
    assert await rig.bytes_of(piece) == PHOTO
    assert rig.count("content_fetches_total", outcome="kept") == 1
    assert rig.count("content_bytes_total") == len(PHOTO)


async def test_a_message_told_twice_is_fetched_once(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO)
    await rig.want(piece.message_id)
    assert await rig.fetch(piece.message_id) == piece
    assert piece.attempts == 1


async def test_it_is_fetched_in_the_background_at_once(rig: Rig) -> None:
    async with rig.desk.fetching():
        sent = [await rig.send(data=os.urandom(1000)) for _ in range(6)]
        for message_id in sent:
            await rig.want(message_id)

        async def all_kept() -> bool:
            return all([(await rig.piece(message_id)).state == "kept" for message_id in sent])

        await eventually(all_kept)
        await eventually(lambda: rig.count("content_oldest_wanted_timestamp_seconds") == 0)


async def test_several_processes_share_the_work(rig: Rig) -> None:
    others = [rig.another_desk(), rig.another_desk()]
    sent = [await rig.send(data=os.urandom(500)) for _ in range(20)]
    async with others[0].fetching(), others[1].fetching():
        for message_id in sent:
            await rig.want(message_id)

        async def all_kept() -> bool:
            return all([(await rig.piece(message_id)).state == "kept" for message_id in sent])

        await eventually(all_kept)
    assert [(await rig.piece(message_id)).attempts for message_id in sent] == [1] * 20
    assert await rig.stored() == 40


async def test_what_line_still_prepares_is_asked_for_again(rig: Rig) -> None:
    piece = await rig.fetched("video", PHOTO, prepare_ms=60_000)
    assert (piece.state, piece.due_at) == ("wanted", rig.clock() + timedelta(seconds=2))
    assert await rig.fetch(piece.message_id) == piece, "not before its time"
    rig.clock.forward(seconds=61)
    assert (await rig.fetch(piece.message_id)).state == "kept"
    assert rig.count("content_fetches_total", outcome="preparing") == 1


@pytest.mark.parametrize("kind", ["500", "503", "401", "429_rate", "cut_off"])
async def test_a_failed_attempt_leaves_nothing_and_is_made_again(rig: Rig, kind: str) -> None:
    await rig.fault(kind, count=1)
    piece = await rig.fetched("image", PHOTO)
    assert (piece.state, piece.attempts, await rig.stored()) == ("wanted", 1, 0)
    rig.clock.forward(seconds=3)
    piece = await rig.fetch(piece.message_id)
    assert (piece.state, piece.attempts) == ("kept", 2)
    assert await rig.bytes_of(piece) == PHOTO


async def test_attempts_come_later_and_later_and_end_after_a_day(rig: Rig) -> None:
    await rig.fault("500")
    piece = await rig.fetched()
    waits = []
    while piece.state == "wanted":
        assert piece.due_at is not None
        waits.append(piece.due_at - rig.clock())
        rig.clock.forward(seconds=waits[-1].total_seconds() + 1)
        piece = await rig.fetch(piece.message_id)
    assert waits[:4] == [timedelta(seconds=each) for each in (2, 4, 8, 16)]
    assert max(waits) == timedelta(minutes=15)
    assert (piece.state, piece.due_at) == ("failed", None)
    assert timedelta(hours=24) <= rig.clock() - piece.wanted_at < timedelta(hours=25)


async def test_what_line_does_not_have_is_gone(rig: Rig) -> None:
    await rig.want("612001677259054127")
    assert (await rig.fetch("612001677259054127")).state == "gone"


async def test_what_was_unsent_before_it_was_fetched_is_erased(rig: Rig) -> None:
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)
    await rig.unsend(message_id)
    assert (await rig.fetch(message_id)).state == "erased"


async def test_what_is_too_large_is_not_kept(rig: Rig) -> None:
    piece = await rig.fetched("video", os.urandom(MOST_BYTES + 1))
    assert (piece.state, piece.due_at, await rig.stored()) == ("too_large", None, 0)


async def test_a_file_that_says_it_is_too_large_is_not_asked_for(rig: Rig) -> None:
    await rig.want("1", "file", fileName="a.pdf", fileSize=MOST_BYTES + 1)
    assert (await rig.piece("1")).state == "too_large"


async def test_what_a_dead_process_was_fetching_is_fetched_by_another(rig: Rig) -> None:
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)
    claimed = await rig.pieces.claim(piece_id(SLUG, message_id), rig.clock())
    assert claimed is not None
    left_by_the_dead = claimed[0].blob
    assert left_by_the_dead is not None
    async with rig.files.writing(left_by_the_dead) as write:
        await write(PHOTO)
    other = rig.another_desk()
    assert (await rig.fetch(message_id, other)).state == "wanted", "its claim holds for a minute"
    rig.clock.forward(seconds=61)
    piece = await rig.fetch(message_id, other)
    assert (piece.state, piece.attempts) == ("kept", 2)
    assert await rig.bytes_of(piece) == PHOTO
    with pytest.raises(FileNotFoundError):
        await anext(rig.files.reading(left_by_the_dead))


async def test_a_slow_fetch_keeps_its_claim(rig: Rig) -> None:
    async def a_while() -> None:
        rig.clock.forward(seconds=20)
        await other.fetch(piece_id(SLUG, message_id))

    other = rig.another_desk()
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)
    piece = await rig.fetch(message_id, rig.another_desk(Interrupted(rig.files, a_while)))
    assert (piece.state, piece.attempts) == ("kept", 1)


async def test_who_has_lost_its_claim_throws_away_what_it_has(rig: Rig) -> None:
    async def long_stop() -> None:
        rig.clock.forward(seconds=61)
        await other.fetch(piece_id(SLUG, message_id))

    other = rig.another_desk()
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)
    piece = await rig.fetch(message_id, rig.another_desk(Interrupted(rig.files, long_stop)))
    assert (piece.state, piece.attempts) == ("kept", 2)
    assert await rig.bytes_of(piece) == PHOTO
    assert await rig.database["content.files"].count_documents({}) == 1


async def test_a_process_that_ends_gives_back_what_it_was_fetching(rig: Rig) -> None:
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    message_id = await rig.send(data=PHOTO)
    ending = rig.another_desk(Interrupted(rig.files, hang))
    async with ending.fetching():
        await ending.on_message(rig.message(message_id))
        await reached.wait()
    assert await rig.stored() == 0
    assert (await rig.fetch(message_id)).state == "kept"


async def test_what_is_taken_back_is_erased(rig: Rig) -> None:
    piece = await rig.fetched("image", PHOTO)
    await rig.desk.erase_message(rig.contact, piece.message_id)
    erased = await rig.piece(piece.message_id)
    assert (erased.state, erased.size, erased.sha256, await rig.stored()) == ("erased", None, None, 0)


async def test_a_message_that_comes_after_it_was_taken_back_is_not_fetched(rig: Rig) -> None:
    message_id = await rig.send(data=PHOTO)
    await rig.desk.erase_message(rig.contact, message_id)
    await rig.want(message_id)
    assert (await rig.fetch(message_id)).state == "erased"
    assert await rig.stored() == 0


async def test_what_is_erased_while_it_is_fetched_leaves_nothing(rig: Rig) -> None:
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)

    async def erase() -> None:
        await rig.desk.erase_message(rig.contact, message_id)

    piece = await rig.fetch(message_id, rig.another_desk(Interrupted(rig.files, erase)))
    assert (piece.state, await rig.stored()) == ("erased", 0)


async def test_erased_bytes_that_a_dying_fetch_left_are_swept(rig: Rig) -> None:
    message_id = await rig.send(data=PHOTO)
    await rig.want(message_id)
    claimed = await rig.pieces.claim(piece_id(SLUG, message_id), rig.clock())
    assert claimed is not None
    assert claimed[0].blob is not None
    await rig.desk.erase_message(rig.contact, message_id)
    async with rig.files.writing(claimed[0].blob) as write:
        await write(PHOTO)
    rig.clock.forward(minutes=11)
    async with rig.desk.fetching():

        async def nothing_left() -> bool:
            return await rig.stored() == 0

        await eventually(nothing_left)
    assert await rig.pieces.due(rig.clock() + timedelta(days=9), 10) == []


async def test_of_an_erased_person_nothing_stays(rig: Rig) -> None:
    for _ in range(3):
        await rig.fetched("image", PHOTO)
    await rig.want("612001677259054127")
    await rig.desk.erase_message(rig.contact, "77")
    await rig.desk.erase_contact(rig.contact)
    await rig.desk.erase_contact(rig.contact)
    assert await rig.stored() == 0
    assert await rig.database["content_pieces"].count_documents({"contact": rig.contact}) == 0
    rig.clock.forward(minutes=11)
    async with rig.desk.fetching():

        async def forgotten() -> bool:
            return await rig.database["content_pieces"].count_documents({}) == 0

        await eventually(forgotten)


async def test_what_an_external_provider_has_is_left_there(rig: Rig) -> None:
    await rig.want("1", contentProvider={"type": "external", "originalContentUrl": "http://127.0.0.1/secret"})
    await rig.want("2", "text")
    assert await rig.database["content_pieces"].count_documents({}) == 0


async def test_of_an_account_that_is_gone_nothing_is_asked(rig: Rig) -> None:
    rig.channels = type(rig.channels)([])
    desk = rig.another_desk()
    await rig.want("1")
    assert (await rig.fetch("1", desk)).state == "wanted"
