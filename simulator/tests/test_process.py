"""`python -m simulator` as people start it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from simulator.tests.stand import CHANNELS


def environment(**settings: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **settings}


async def start(**settings: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator", env=environment(**settings), stderr=asyncio.subprocess.PIPE
    )


BAD = [
    ({}, b"CHANNELS_FILE: is missing"),
    ({"CHANNELS_FILE": "/nowhere.yaml"}, b"CHANNELS_FILE: names no file that can be read"),
    ({"CHANNELS_FILE": "@file", "PORT": "door"}, b"PORT: "),
    ({"CHANNELS_FILE": "@bad"}, b"channels.yaml: "),
]


@pytest.mark.parametrize(("settings", "reason"), BAD)
async def test_wrong_settings_end_the_process_with_the_reason(
    tmp_path: Path, settings: dict[str, str], reason: bytes
) -> None:
    bad = settings.get("CHANNELS_FILE") == "@bad"
    file = tmp_path / "channels.yaml"
    file.write_text("- slug: Not A Slug" if bad else CHANNELS, encoding="utf-8")
    given = {name: str(file) if value.startswith("@") else value for name, value in settings.items()}
    process = await start(**given)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert reason in errors
    assert b"Traceback" not in errors


async def test_it_serves_and_ends_cleanly_while_a_phone_is_open(tmp_path: Path) -> None:
    file = tmp_path / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await start(CHANNELS_FILE=str(file), PORT=str(port), LOG_LEVEL="WARNING")
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        await _until_ready(session, url)
        async with session.get(f"{url}/control/cafe/stream/U{'0' * 32}") as stream:
            assert await stream.content.readline() == b": open\n"
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                await process.communicate()
    assert process.returncode in (0, -signal.SIGTERM)


async def _until_ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                async with session.get(f"{url}/health/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
