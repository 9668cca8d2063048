"""Tags through the API on the real store: who may, what is told, imports and exports, and tags that expire."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.binding.members import store as member_store
from services.binding.members.changes import Change, MemberChanges
from services.binding.members.model import Member, bind
from services.binding.tags import store as tag_store
from services.binding.tags.account_api import account_tag_routes
from services.binding.tags.api import tag_routes
from services.binding.tags.expiry import TagExpiry
from services.binding.tags.rows import MOST_BYTES
from shared.api import create_api
from shared.audit import Audit
from shared.auth import AdminKey, AdminKeys
from shared.channels import Channel, Channels
from shared.mongo import Database, ensure_indexes
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import BrokerUnavailable, Producer, Record

pytestmark = pytest.mark.integration

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
BOM = b"\xef\xbb\xbf"


@dataclass
class Kafka:
    """Takes publications in the producer's place."""

    records: list[Record] = field(default_factory=list)
    down: bool = False

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        if self.down:
            raise BrokerUnavailable("gone")
        self.records += records

    def told(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in self.records if record.topic == topic]


@dataclass
class Desk:
    """Members on a real store, behind the routes; a clock to turn."""

    database: Database
    kafka: Kafka
    changes: MemberChanges
    expiry: TagExpiry
    client: httpx.AsyncClient
    clock: list[datetime]

    def turn(self, by: timedelta) -> None:
        self.clock[0] += by

    async def member(self, number: int, channel: str = "shop", key: str | None = None) -> str:
        """Make a member with a contact, and a customer key where one is given."""

        def decide(member: Member) -> Change:
            member.contact(f"{channel}:U{number}", NOON)
            if key is not None:
                bind(member, key, "staff", NOON)
            return Change(touched=True)

        return (await self.changes.of_contact(f"{channel}:U{number}", decide)).id

    async def tag(self, member: str, tag: str, **body: Any) -> httpx.Response:
        return await self.client.put(f"/v1/members/{member}/tags/{tag}", json=body or None)

    async def tags_of(self, member: str) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/members/{member}/tags")
        return {item["tag"]: item for item in answer.json()["items"]}

    async def version(self, member: str) -> int:
        found = await self.changes.store.get(member)
        assert found is not None
        return found.version

    async def load(self, body: str | bytes, channel: str = "shop", **more: Any) -> httpx.Response:
        content = body.encode() if isinstance(body, str) else body
        headers = {"content-type": "text/csv; charset=utf-8"} | more
        return await self.client.post(f"/v1/tags/import?channel={channel}", content=content, headers=headers)


def a_key(role: str, *channels: str) -> tuple[str, AdminKey]:
    text = f"mk_{role}_secret"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text, AdminKey.model_validate({"id": role, "sha256": digest, "role": role, "channels": list(channels)})


def a_channel(slug: str, number: int) -> Channel:
    return Channel.model_validate(
        {
            "slug": slug,
            "name": slug,
            "destination": f"U{number:032x}",
            "basic_id": f"@{slug}",
            "channel_secret": "s",
            "access_token": "t",
            "timezone": "Asia/Taipei",
            "language": "en",
        }
    )


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    await ensure_indexes(database, [*member_store.INDEXES, *tag_store.INDEXES])
    clock = [NOON]

    def now() -> datetime:
        return clock[0]

    kafka = Kafka()
    members, tags = member_store.MongoMembers(database), tag_store.MongoTags(database)
    outbox = Outbox(members.collection, cast(Producer, kafka), None, OutboxMetrics(CollectorRegistry()), now)
    changes = MemberChanges(members, outbox, now)
    keys = AdminKeys([a_key("agent", "shop")[1], a_key("viewer", "*")[1]])
    channels = Channels([a_channel("shop", 1), a_channel("other", 2)])
    api = create_api("test", CollectorRegistry())
    audit = Audit(database, now)
    api.include_router(tag_routes(changes, audit, keys, now))
    api.include_router(account_tag_routes(tags, changes, channels, audit, keys, now))
    headers = {"authorization": f"Bearer {a_key('agent')[0]}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://t", headers=headers) as client:
        yield Desk(database, kafka, changes, TagExpiry(tags, changes, now), client, clock)


async def test_a_tag_is_kept_shown_and_told_with_the_snapshot(desk: Desk) -> None:
    member = await desk.member(1)

    given = await desk.tag(member, "VIP%2Fgold", origin="quiz", expires_at="2027-01-01T00:00:00+08:00")

    assert given.status_code == 200
    expected = {"tag": "VIP/gold", "origin": "quiz", "since": "2026-11-01T12:00:00Z"}
    assert given.json() == expected | {"expires_at": "2026-12-31T16:00:00Z"}
    assert await desk.tags_of(member) == {"VIP/gold": given.json()}
    [fact] = desk.kafka.told("member.events")
    assert (fact["type"], fact["tag"], fact["origin"], fact["contact"]) == ("tagged", "VIP/gold", "quiz", "shop:U1")
    assert desk.kafka.told("member.state")[-1]["tags"] == ["VIP/gold"]
    assert await desk.database["audit"].count_documents({"object": member, "action": "members.tags.write"}) == 1


async def test_the_same_again_tells_nothing_and_another_expiry_is_kept(desk: Desk) -> None:
    member = await desk.member(1)
    await desk.tag(member, "VIP", expires_at="2027-01-01T00:00:00.1239Z")
    before = await desk.version(member)
    await desk.tag(member, "vip", expires_at="2027-01-01T00:00:00.1239Z")
    assert await desk.version(member) == before
    await desk.tag(member, "vip")
    assert (await desk.tags_of(member))["VIP"]["expires_at"] is None
    assert len(desk.kafka.told("member.events")) == 1


async def test_a_tag_taken_away_twice_is_told_once(desk: Desk) -> None:
    member = await desk.member(1)
    await desk.tag(member, "VIP")
    for _ in range(2):
        assert (await desk.client.delete(f"/v1/members/{member}/tags/vip")).status_code == 204
    assert [fact["type"] for fact in desk.kafka.told("member.events")] == ["tagged", "untagged"]
    assert desk.kafka.told("member.state")[-1]["tags"] == []


async def test_many_at_once_lose_no_tag_and_stop_at_a_hundred(desk: Desk) -> None:
    member = await desk.member(1)
    body = "member,tag\n" + "".join(f"{member},t{number}\n" for number in range(95))
    assert (await desk.load(body)).json()["changed"] == 95
    answers = await asyncio.gather(*(desk.tag(member, f"x{number}") for number in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [409] * 5
    assert len(await desk.tags_of(member)) == 100


@pytest.mark.parametrize(
    ("tag", "body", "pointer"),
    [
        ("%20", {}, "/path/tag"),
        ("a%09b", {}, "/path/tag"),
        ("x" * 65, {}, "/path/tag"),
        ("vip", {"expires_at": "2026-11-01T11:59:59Z"}, "/body/expires_at"),
        ("vip", {"expires_at": "9999-12-31T23:59:59-12:00"}, "/body/expires_at"),
        ("vip", {"expires_at": "2027-01-01T00:00:00"}, "/body/expires_at"),
        ("vip", {"origin": "a b"}, "/body/origin"),
        ("vip", {"colour": "red"}, "/body/colour"),
    ],
)
async def test_what_is_wrong_is_named(desk: Desk, tag: str, body: dict[str, str], pointer: str) -> None:
    member = await desk.member(1)
    answer = await desk.tag(member, tag, **body)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])
    assert await desk.tags_of(member) == {}


async def test_who_may_not_write_is_refused_and_another_account_s_member_is_not_there(desk: Desk) -> None:
    mine, foreign = await desk.member(1), await desk.member(2, "other")
    viewer = {"authorization": f"Bearer {a_key('viewer')[0]}"}
    assert (await desk.client.put(f"/v1/members/{mine}/tags/vip", headers=viewer)).status_code == 403
    assert (await desk.load("member,tag\n", **viewer)).status_code == 403
    assert (await desk.tag(foreign, "vip")).status_code == 404
    assert (await desk.tag("mbr_nobody", "vip")).status_code == 404
    for path in ("/v1/tags/other", "/v1/tags/other/members.csv", "/v1/tags/nowhere"):
        assert (await desk.client.get(path)).status_code == 404
    assert (await desk.load("member,tag\n", "other")).status_code == 404
    assert (await desk.client.get("/v1/tags/other", headers=viewer)).status_code == 200


async def test_an_import_applies_good_rows_reports_bad_ones_and_changes_nothing_again(desk: Desk) -> None:
    first, second = await desk.member(1, key="C-1"), await desk.member(2, key="c-2")
    await desk.member(3, "other", key="C-3")
    body = "customer_key,tag,action\nc-1,VIP,\nC-2,VIP,add\nC-2,late,remove\nC-3,VIP,\nC-9,VIP,\nC-1,,\n"

    report = (await desk.load(BOM + body.encode())).json()

    assert {name: report[name] for name in ("rows", "changed", "unchanged", "refused")} == {
        "rows": 6,
        "changed": 2,
        "unchanged": 1,
        "refused": 3,
    }
    nobody = "no such member of this account"
    assert report["errors"] == [
        {"line": 5, "detail": nobody},
        {"line": 6, "detail": nobody},
        {"line": 7, "detail": "a tag must not be blank"},
    ]
    for member in (first, second):
        assert (await desk.tags_of(member))["VIP"]["origin"] == "import"
    told = len(desk.kafka.records)
    again = (await desk.load(body)).json()
    assert (again["changed"], again["unchanged"], len(desk.kafka.records)) == (0, 3, told)


@pytest.mark.parametrize("identity", ["member", "contact"])
async def test_an_import_finds_members_by_id_and_by_contact(desk: Desk, identity: str) -> None:
    members = {f"shop:U{number}": await desk.member(number) for number in range(20)}
    foreign = await desk.member(1, "other")
    names = [*(members.values() if identity == "member" else members), foreign if identity == "member" else "other:U1"]

    report = (await desk.load(f"{identity},tag\n" + "".join(f"{name},new\n" for name in names))).json()

    assert (report["changed"], [error["line"] for error in report["errors"]]) == (20, [22])
    assert (await desk.client.get("/v1/tags/shop")).json()["items"] == [{"tag": "new", "members": 20}]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"member,tag\n", {"content-type": "application/json"}, 415),
        (b"x" * (MOST_BYTES + 1), {}, 413),
        (b"\xff\xfe", {}, 422),
        (b"name,tag\n", {}, 422),
    ],
)
async def test_what_is_no_file_is_refused_as_a_whole(
    desk: Desk, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await desk.load(body, **headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_tags_are_counted_over_the_account_page_by_page(desk: Desk) -> None:
    for number, names in enumerate((["VIP", "tea"], ["vip"], ["coffee", "tea"])):
        member = await desk.member(number)
        for name in names:
            await desk.tag(member, name)
    found, cursor = [], ""
    while cursor is not None:
        page = (await desk.client.get(f"/v1/tags/shop?limit=2{cursor and '&cursor='}{cursor}")).json()
        found += [(item["tag"].casefold(), item["members"]) for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == [("coffee", 1), ("tea", 2), ("vip", 2)]


async def test_the_csv_is_safe_in_a_spreadsheet_and_comes_back_without_a_change(desk: Desk) -> None:
    member = await desk.member(1, key="=C,1")
    await desk.tag(member, "=1+1")
    await desk.tag(member, "常連", expires_at="2027-01-01T00:00:00Z")
    await desk.tag(await desk.member(2), "VIP")

    answer = await desk.client.get("/v1/tags/shop/members.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(BOM)
    lines = answer.content.decode("utf-8-sig").split("\r\n")
    assert lines[0] == "member,contact,customer_key,tag,origin,since,expires_at"
    assert f"{member},shop:U1,\"'=C,1\",'=1+1,staff,2026-11-01T12:00:00+00:00," in lines
    report = (await desk.load(answer.content)).json()
    assert (report["changed"], report["unchanged"], report["errors"]) == (0, 3, [])


async def test_a_tag_expires_by_itself_and_others_stay(desk: Desk) -> None:
    member = await desk.member(1)
    await desk.tag(member, "for good")
    await desk.tag(member, "soon", expires_at="2026-11-01T13:00:00Z")
    assert await desk.expiry.expire_once() == 0
    desk.turn(timedelta(hours=1))
    assert [await desk.expiry.expire_once() for _ in range(2)] == [1, 0]
    assert list(await desk.tags_of(member)) == ["for good"]
    fact = desk.kafka.told("member.events")[-1]
    assert (fact["type"], fact["tag"], fact["origin"]) == ("untagged", "soon", "expired")
    assert fact["occurred_at"] == "2026-11-01T13:00:00Z"
    assert desk.kafka.told("member.state")[-1]["tags"] == ["for good"]


async def test_with_kafka_away_it_says_so_and_the_same_again_is_right(desk: Desk) -> None:
    members = [await desk.member(number) for number in range(3)]
    body = "member,tag\n" + "".join(f"{member},vip\n" for member in members)
    desk.kafka.down = True
    refused = await desk.load(body)
    desk.kafka.down = False
    report = (await desk.load(body)).json()
    assert (refused.status_code, report["changed"] + report["unchanged"]) == (503, 3)
    for member in members:
        await desk.changes.of_member(member, lambda _: Change(tell=True))
    facts = [fact["id"] for fact in desk.kafka.told("member.events")]
    assert len(facts) == len(set(facts)) == 3
