"""Who contacts are, by member.state: only newer news counts, a tombstone erases, whatever order topics come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ticketing.people.handlers import PeopleDeps, on_member_state
from services.ticketing.people.model import Person, stranger
from services.ticketing.people.store import INDEXES, MongoPeople
from shared.consumer import BadRecord, Coordinates, Record
from shared.events import ContactState, MemberSnapshot, encode
from shared.ids import member_id
from shared.mongo import Database, ensure_indexes
from shared.topics import MEMBER_STATE

pytestmark = pytest.mark.integration

ANN, BOB = ("cafe:U" + digit * 32 for digit in "12")
AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)


class Desk:
    """The handler with the real projection, and what the rooms were asked to erase."""

    def __init__(self, people: MongoPeople) -> None:
        self.people = people
        self.erased: list[str] = []
        self.deps = PeopleDeps(people, (self.erase,))

    async def erase(self, contact: str) -> None:
        self.erased.append(contact)

    async def told(self, member: str, *values: bytes | None) -> None:
        at = Coordinates(MEMBER_STATE, 0, 0)
        await on_member_state([Record(at, member.encode(), value, (), AT, at) for value in values], self.deps)


@pytest.fixture
async def desk(database: Database) -> Desk:
    await ensure_indexes(database, INDEXES)
    return Desk(MongoPeople(database))


def snapshot(version: int, *contacts: str, member: str = "mbr_1", bound: bool = False, minutes: int = 0) -> bytes:
    return encode(
        MemberSnapshot(
            id=member,
            version=version,
            channel="cafe",
            bound=bound,
            keys={"customer": "C-1"} if bound else {},
            tags=("vip",),
            contacts=tuple(ContactState(id=each, channel="cafe", following=True, source="window") for each in contacts),
            created_at=AT,
            updated_at=AT + timedelta(minutes=minutes),
        )
    )


async def test_a_contact_is_known_by_its_newest_snapshot_alone(desk: Desk) -> None:
    await desk.told("mbr_1", snapshot(3, ANN, bound=True), snapshot(2, ANN))
    found = await desk.people.get(ANN)
    assert found == Person(ANN, "mbr_1", 3, True, ("customer",), ("vip",), True, "window", AT)
    await desk.told("mbr_1", snapshot(4, ANN))
    found = await desk.people.get(ANN)
    assert found is not None
    assert not found.bound


async def test_a_contact_that_only_wrote_is_kept_until_binding_tells_of_it(desk: Desk) -> None:
    await desk.people.see(stranger(ANN))
    assert await desk.people.get(ANN) == Person(ANN, member_id(ANN))
    await desk.told(member_id(ANN), snapshot(1, ANN, member=member_id(ANN)))
    await desk.people.see(stranger(ANN))
    found = await desk.people.get(ANN)
    assert found is not None
    assert (found.version, found.following) == (1, True)


async def test_a_contact_that_went_to_another_member_stays_there(desk: Desk) -> None:
    await desk.told("mbr_1", snapshot(5, ANN, BOB))
    await desk.told("mbr_2", snapshot(2, BOB, member="mbr_2", minutes=1))
    await desk.told("mbr_1", snapshot(6, ANN, minutes=1))
    assert [await desk.people.contacts_of(member) for member in ("mbr_1", "mbr_2")] == [[ANN], [BOB]]


async def test_a_tombstone_erases_every_contact_of_the_member_and_may_come_twice(desk: Desk) -> None:
    await desk.told("mbr_1", snapshot(1, ANN, BOB))
    await desk.told("mbr_1", None, None)
    assert sorted(desk.erased) == [ANN, BOB]
    assert await desk.people.get(ANN) is None


async def test_a_tombstone_finds_a_writer_binding_never_told_of(desk: Desk) -> None:
    await desk.people.see(stranger(ANN))
    await desk.told(member_id(ANN), None)
    assert desk.erased == [ANN]


async def test_an_erasure_cut_short_is_taken_up_again(desk: Desk) -> None:
    await desk.told("mbr_1", snapshot(1, ANN))

    async def fails(contact: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await on_member_state_with(desk, fails)
    await desk.told("mbr_1", None)
    assert desk.erased == [ANN]


async def on_member_state_with(desk: Desk, eraser: object) -> None:
    at = Coordinates(MEMBER_STATE, 0, 0)
    deps = PeopleDeps(desk.people, (eraser,))  # type: ignore[arg-type]
    await on_member_state([Record(at, b"mbr_1", None, (), AT, at)], deps)


async def test_what_is_no_snapshot_is_a_bad_record(desk: Desk) -> None:
    with pytest.raises(BadRecord, match="no member snapshot"):
        await desk.told("mbr_1", b'{"id": 5}')
