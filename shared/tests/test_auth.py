"""Who may call: keys, roles and the permission table, row by row (design §9)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, get_args

import httpx
import pytest
import yaml
from fastapi import APIRouter, Depends
from prometheus_client import CollectorRegistry

from shared.api import create_api
from shared.auth import PERMISSIONS, AdminKey, AdminKeys, Principal, Role, allowed
from shared.channels import BadFile
from shared.problems import Problem

ROLES: tuple[Role, ...] = get_args(Role)
TABLE: dict[str, str] = {
    "members.read": "admin marketer agent viewer",
    "members.keys.write": "admin agent",
    "members.link": "admin agent",
    "members.erase": "admin",
    "members.tags.write": "admin marketer agent",
    "links.create": "admin marketer",
    "conversations.read": "admin agent",
    "conversations.reply": "admin agent",
    "tickets.read": "admin agent viewer",
    "tickets.write": "admin agent",
    "desk.configure": "admin",
    "segments.read": "admin marketer viewer",
    "segments.write": "admin marketer",
    "campaigns.read": "admin marketer viewer",
    "campaigns.write": "admin marketer",
    "campaigns.send": "admin marketer",
    "insights.read": "admin marketer agent viewer",
    "dead_letters.read": "admin",
    "dead_letters.replay": "admin",
    "dead_letters.drop": "admin",
    "audit.read": "admin",
}
"""Written again by hand: a role that gains or loses a right does so here and in the code."""


def key_of(role: Role) -> str:
    return f"mk_{role}_sec_ret-{role}"


def entry(role: Role, channels: list[str] | None = None) -> AdminKey:
    digest = hashlib.sha256(key_of(role).encode()).hexdigest()
    return AdminKey(id=role, sha256=digest, role=role, channels=channels or ["*"])


KEYS = AdminKeys([entry(role) for role in ROLES])


def client(action: str) -> httpx.AsyncClient:
    """Return a client of an API with one route that needs `action`."""
    api = create_api("test", CollectorRegistry())
    router = APIRouter()
    caller = Annotated[Principal, Depends(allowed(KEYS, action))]

    async def route(principal) -> dict[str, str]:  # type: ignore[no-untyped-def]
        return {"id": principal.id}

    route.__annotations__["principal"] = caller
    router.add_api_route("/thing", route)
    api.include_router(router)
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://test")


def test_the_table_is_the_one_agreed_on() -> None:
    assert {action: set(roles.split()) for action, roles in TABLE.items()} == PERMISSIONS


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", TABLE)
async def test_a_role_may_do_what_the_table_says(action: str, role: Role) -> None:
    async with client(action) as http:
        answer = await http.get("/thing", headers={"authorization": f"Bearer {key_of(role)}"})

    if role in TABLE[action].split():
        assert (answer.status_code, answer.json()) == (200, {"id": role})
    else:
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == f"this needs one of the roles: {', '.join(sorted(TABLE[action].split()))}"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {key_of('admin')}",
        key_of("admin"),
        "Bearer mk_admin",
        "Bearer mk_admin_",
        "Bearer mk_nobody_sec_ret-admin",
        f"Bearer {key_of('admin')}x",
        f"Bearer {key_of('admin')[:-1]}",
        f"Bearer xx{key_of('admin')[2:]}",
        f"Bearer  {key_of('admin')}",
        f"Bearer {hashlib.sha256(key_of('admin').encode()).hexdigest()}",
        "Bearer mk_admin_ключ",
    ],
)
async def test_every_wrong_key_gets_the_same_answer(header: str | None) -> None:
    async with client("members.read") as http:
        headers = {} if header is None else {b"authorization": header.encode()}
        answer = await http.get("/thing", headers=headers)
        refused = await http.get("/thing")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert {**answer.json(), "request_id": ""} == {**refused.json(), "request_id": ""}
    assert "sec_ret" not in answer.text


def test_the_scheme_may_be_written_in_any_case() -> None:
    assert KEYS.authenticate(f"bearer {key_of('viewer')}").role == "viewer"


def test_a_caller_sees_only_the_channels_of_its_key() -> None:
    keys = AdminKeys([entry("admin"), entry("agent", ["coffee"])])
    everything, one = (keys.authenticate(f"Bearer {key_of(role)}") for role in ("admin", "agent"))

    assert everything.only(["coffee", "repair"]) == ["coffee", "repair"]
    assert one.only(["coffee", "repair"]) == ["coffee"]
    assert not one.sees("coffe")


def test_keys_are_read_from_a_file_that_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(yaml.safe_dump([entry("marketer").model_dump()]))

    assert AdminKeys.load(path).authenticate(f"Bearer {key_of('marketer')}").id == "marketer"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"sha256": key_of("admin")}, "sha256"),
        ({"role": "owner"}, "role"),
        ({"id": "a_b"}, "id"),
        ({"key": "x"}, "key"),
    ],
)
def test_a_wrong_entry_is_named_without_its_value(tmp_path: Path, wrong: dict[str, str], field: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(yaml.safe_dump([entry("admin").model_dump() | wrong]))

    with pytest.raises(BadFile, match=rf"keys\.yaml: entry 0\.{field}: ") as told:
        AdminKeys.load(path)
    assert "sec_ret" not in str(told.value)


def test_an_action_that_is_not_in_the_table_cannot_be_asked_for() -> None:
    with pytest.raises(KeyError):
        allowed(KEYS, "members.readd")
    assert Problem("forbidden").status == 403
