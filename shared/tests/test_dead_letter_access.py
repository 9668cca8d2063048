"""Dead letters hold records of every account: only a key of all accounts reads them."""

from __future__ import annotations

import hashlib
from typing import cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from shared.api import create_api
from shared.auth import AdminKey, AdminKeys, Role
from shared.dlq import DeadLetterDesk, dead_letter_routes


class EmptyDesk:
    async def page(self, *_: object, **__: object) -> list[object]:
        return []


@pytest.mark.parametrize(
    ("role", "channels", "status"),
    [("admin", ["*"], 200), ("admin", ["shop"], 403), ("agent", ["*"], 403), ("viewer", ["*"], 403)],
)
async def test_only_an_admin_of_all_accounts_reads_dead_letters(role: Role, channels: list[str], status: int) -> None:
    key = "mk_a_secret"
    digest = hashlib.sha256(key.encode()).hexdigest()
    keys = AdminKeys([AdminKey(id="a", sha256=digest, role=role, channels=channels)])
    api = create_api("test", CollectorRegistry())
    api.include_router(dead_letter_routes(cast(DeadLetterDesk, EmptyDesk()), keys))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://test") as client:
        answer = await client.get("/v1/dlq", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == status
