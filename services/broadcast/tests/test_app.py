"""Broadcast wired: what holds with every server down, and that wrong files are said before anything starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from services.broadcast.app import create_app
from services.broadcast.tests.desk import Desk
from shared.channels import BadFile
from shared.http import ops_app

NOWHERE = "127.0.0.1:1"
GRACE_SECONDS = 50
"""Less than what a process is given to stop; each lease it might hold costs two of them while the store is away."""


async def test_with_every_server_down_it_is_alive_not_ready_and_ends_by_itself(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    app = create_app(desk.settings(NOWHERE, f"mongodb://{NOWHERE}", "broadcast"))
    transport = httpx.ASGITransport(ops_app(app.health, app.registry))
    async with asyncio.timeout(GRACE_SECONDS):
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://ops") as ops:
            live, ready = await ops.get("/health/live"), await ops.get("/health/ready")
            async with desk.client(app) as client:
                segments = await client.get("/v1/segments")
    assert live.status_code == 200
    assert ready.status_code == 503
    assert set(ready.json()["problems"]) == {"kafka", "store", "consumer"}
    assert segments.status_code == 503


async def test_a_broken_file_is_said_before_anything_starts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settings = desk.settings(NOWHERE, f"mongodb://{NOWHERE}", "broadcast")
    settings.erasure_key_file.write_text("too short")
    with pytest.raises(BadFile, match=r"erasure\.key"):
        create_app(settings)
