"""Guided flows by API: published in versions, and who is in an old one finishes in it (F94)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from services.ticketing.flows.api import MOST_BYTES, flow_routes
from services.ticketing.flows.store import INDEXES, FlowBook, MongoFlows, load_built_in
from services.ticketing.tests.flow_builders import Chat, triage, words
from shared.api import create_api
from shared.audit import Audit
from shared.auth import AdminKey, AdminKeys, Role
from shared.channels import Channel, Channels
from shared.clock import utcnow
from shared.mongo import Database, ensure_indexes
from shared.testing.webhooks import account

pytestmark = pytest.mark.integration


@dataclass
class Desk:
    """The flows of one account, as two processes see them."""

    database: Database

    def __post_init__(self) -> None:
        self.store = MongoFlows(self.database)
        self.book = FlowBook(self.store, load_built_in())
        self.other_process = FlowBook(self.store, load_built_in())

    def client(self, role: Role = "admin", channel: str = "*") -> httpx.AsyncClient:
        """A caller of the API."""
        token = f"mk_a_{role}"
        digest = hashlib.sha256(token.encode()).hexdigest()
        keys = AdminKeys([AdminKey(id="a", sha256=digest, role=role, channels=[channel])])
        channels = Channels([Channel.model_validate(account("cafe"))])
        api = create_api("flows", CollectorRegistry())
        api.include_router(flow_routes(self.store, self.book, channels, Audit(self.database), keys, utcnow))
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://desk", headers=headers)

    async def put(self, name: str, script: Any, version: int | None = None, **caller: Any) -> httpx.Response:
        """Publish a flow."""
        headers = {} if version is None else {"if-match": f'"{version}"'}
        async with self.client(**caller) as staff:
            return await staff.put(f"/v1/flows/cafe/{name}", json=script, headers=headers)

    async def get(self, path: str = "", **caller: Any) -> httpx.Response:
        """Read flows."""
        async with self.client(**caller) as staff:
            return await staff.get(f"/v1/flows/cafe{path}")


@pytest_asyncio.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """Return an account that has published nothing."""
    await ensure_indexes(database, INDEXES)
    yield Desk(database)


async def test_every_account_has_the_built_in_repair(desk: Desk) -> None:
    (row,) = (await desk.get()).json()["items"]
    assert (row["name"], row["version"], row["built_in"]) == ("repair", 0, True)
    answer = await desk.get("/repair")
    assert answer.headers["etag"] == '"0"'
    assert answer.json()["script"]["ticket_kind"] == "repair"


async def test_a_published_flow_is_read_back_and_can_be_published_again(desk: Desk) -> None:
    made = await desk.put("triage", triage())
    assert (made.status_code, made.headers["etag"], made.json()["published_by"]) == (200, '"1"', "key:a")
    read = (await desk.get("/triage")).json()
    again = await desk.put("triage", read["script"], 1)
    assert (again.json()["version"], again.json()["script"]) == (2, read["script"])


async def test_an_account_replaces_the_built_in_one(desk: Desk) -> None:
    script = (await desk.get("/repair")).json()["script"] | {"start_words": ["fix it"]}
    assert (await desk.put("repair", script, 0)).json()["version"] == 1
    catalogue = await desk.book.of("cafe", fresh=True)
    assert catalogue.starting("repair") is None
    started = catalogue.starting(" FIX  IT")
    assert started is not None
    assert started.version == 1
    other_account = await desk.book.of("bakery")
    assert other_account.starting("報修") == other_account.version("repair", 0)


async def test_who_began_in_an_old_version_finishes_in_it(desk: Desk) -> None:
    await desk.put("triage", triage())
    old = await desk.book.definition_for("cafe", "triage")
    assert old is not None
    chat = Chat(old).send("gift")
    await desk.put("triage", triage(completed=words("Other words.")), 1)
    session = chat.step.session
    assert session is not None
    found = await desk.other_process.definition_for("cafe", session["flow"], session["version"])
    assert found == old
    newest = await desk.other_process.definition_for("cafe", "triage")
    assert newest is not None
    assert (newest.version, newest.completed["en"]) == (2, "Other words.")


async def test_another_process_knows_a_version_when_it_is_asked_for(desk: Desk) -> None:
    await desk.other_process.of("cafe")
    await desk.put("triage", triage())
    found = await desk.other_process.definition_for("cafe", "triage", 1)
    assert found is not None
    assert await desk.other_process.definition_for("cafe", "triage", 7) is None
    assert await desk.other_process.definition_for("cafe", "nothing") is None


async def test_of_two_who_publish_at_once_one_is_told(desk: Desk) -> None:
    answers = await asyncio.gather(*(desk.put("triage", triage(), None) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers).count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 412, 428}
    assert [each.version for each in await desk.store.versions("cafe")] == [1]


async def test_an_edit_names_the_version_it_was_made_for(desk: Desk) -> None:
    await desk.put("triage", triage())
    assert (await desk.put("triage", triage())).status_code == 428
    assert (await desk.put("triage", triage(), 0)).status_code == 412


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"timeout_minutes": 0}, "/timeout_minutes"),
        ({"completed": {"en": "Thanks."}}, "/completed/zh-TW"),
        ({"steps": [triage()["steps"][1] | {"options": []}]}, "/steps/0/options"),
        ({"steps": [triage()["steps"][1] | {"prompt": words("x" * 1001)}]}, "/steps/0/prompt/en"),
        ({"steps": [triage()["steps"][1] | {"colour": "red"}]}, "/steps/0/colour"),
        ({"steps": [{"id": "x", "kind": "riddle"}]}, "/steps/0"),
        ({"steps": [triage()["steps"][1] | {"next": "what"}]}, "/steps/0/next"),
    ],
)
async def test_what_is_wrong_is_pointed_at(desk: Desk, change: dict[str, Any], pointer: str) -> None:
    answer = await desk.put("triage", triage(**change))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert await desk.store.versions("cafe") == []


async def test_bodies_that_are_no_script_are_refused(desk: Desk) -> None:
    async with desk.client() as staff:
        broken = await staff.put("/v1/flows/cafe/x", content=b"{")
        huge = await staff.put("/v1/flows/cafe/x", content=b" " * (MOST_BYTES + 1))
        listed = await staff.put("/v1/flows/cafe/x", content=b"[1]")
    assert [answer.status_code for answer in (broken, huge, listed)] == [400, 413, 422]


async def test_names_are_words(desk: Desk) -> None:
    assert (await desk.put("Bad_Name", triage())).status_code == 422


async def test_only_who_may_configure_publishes_and_only_their_own_account(desk: Desk) -> None:
    assert (await desk.put("triage", triage(), role="agent")).status_code == 403
    assert (await desk.get(role="agent")).status_code == 200
    assert (await desk.get(channel="other")).status_code == 404
    assert (await desk.put("triage", triage(), channel="other")).status_code == 404
    async with desk.client() as staff:
        assert (await staff.get("/v1/flows/unknown")).status_code == 404
    assert (await desk.get("/triage")).status_code == 404


async def test_publishing_is_in_the_audit_log(desk: Desk) -> None:
    await desk.put("triage", triage())
    entry = await desk.database["audit"].find_one({})
    assert entry is not None
    assert (entry["who"], entry["action"], entry["object"]) == ("a", "desk.configure", "cafe/flows/triage")


async def test_openapi_describes_the_body(desk: Desk) -> None:
    async with desk.client() as staff:
        schema = (await staff.get("/openapi.json")).json()
    body = schema["paths"]["/v1/flows/{channel}/{name}"]["put"]["requestBody"]
    reference = body["content"]["application/json"]["schema"]["$ref"]
    assert "steps" in schema["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
