"""What a client shows of itself: metrics and logs without people, a session that closes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shared.channels import Channels
from shared.line.client import LineClient
from shared.line.content import Downloaded
from shared.settings import LineSettings

USER = "U" + "a" * 32
SECRET_TEXT = "meet me at noon"
HELLO = [{"type": "text", "text": SECRET_TEXT}]


async def test_calls_are_counted_by_api_and_outcome(
    line: LineClient, fake_line: Any, reply: Any, registry: CollectorRegistry, clock: Any
) -> None:
    used = {"message": "Invalid reply token"}
    fake_line.answers(reply(), reply(500), reply(409), reply(404), reply(500), reply(400, used), reply(200, b"photo"))
    await line.sending.push("north", USER, HELLO, sent_id="a")
    await line.sending.push("north", USER, HELLO, sent_id="b")
    await line.users.profile("north", USER)
    await line.sending.reply("north", "t", HELLO, received_at=clock.now)
    assert isinstance(await line.content.fetch("north", "1", _ignore, most_bytes=10), Downloaded)

    def count(api: str, outcome: str) -> float | None:
        return registry.get_sample_value("line_calls_total", {"api": api, "outcome": outcome})

    assert count("push", "accepted") == 1
    assert count("push", "duplicate") == 1
    assert count("profile", "absent") == 1
    assert count("reply", "duplicate") == 1
    assert count("content", "accepted") == 1
    assert registry.get_sample_value("line_retries_total", {"api": "push"}) == 1
    assert registry.get_sample_value("line_call_seconds_count", {"api": "push"}) == 2
    shown = generate_latest(registry).decode()
    assert {"line_calls", "line_call_seconds"} <= {each.name for each in text_string_to_metric_families(shown)}
    assert USER not in shown


async def _ignore(piece: bytes) -> None:
    """Take a piece and drop it."""


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
async def test_logs_hold_no_token_user_or_text(
    line: LineClient, fake_line: Any, reply: Any, logged: Any, clock: Any, status: int
) -> None:
    fake_line.answers(reply(status, {"message": f"{USER} {SECRET_TEXT}", "userId": USER, "displayName": "小美"}))
    await line.sending.push("north", USER, HELLO, sent_id="a")
    await line.sending.reply("north", "reply-token-1", HELLO, received_at=clock.now)
    await line.users.profile("north", USER)
    await line.login.verify_id_token("north", "id-token-1")
    entries = logged()
    assert [entry["api"] for entry in entries] == ["push", "reply", "profile", "verify_id_token"]
    shown = repr(entries)
    for secret in (USER, SECRET_TEXT, "token-of-north", "reply-token-1", "id-token-1", "小美"):
        assert secret not in shown
    assert entries[0]["request_id"] == "req-1"
    assert entries[0]["status"] == ("server_error" if status == 500 else status)
    assert entries[0]["seconds"] >= 0


async def test_a_client_that_is_not_entered_says_so(channels: Channels, registry: CollectorRegistry) -> None:
    client = LineClient(LineSettings(), channels, registry)
    with pytest.raises(RuntimeError, match="async with"):
        await client.account.bot_info("north")


async def test_a_client_closes_its_session(fake_line: Any, channels: Channels, registry: CollectorRegistry) -> None:
    settings = LineSettings(line_api_url=fake_line.url, line_data_url=fake_line.url)
    async with LineClient(settings, channels, registry) as client:
        await client.account.bot_info("north")
    with pytest.raises(RuntimeError, match="async with"):
        await client.account.bot_info("north")


def test_the_client_does_not_load_the_sdk() -> None:
    """The SDK costs over a second and 84 MB: only building typed messages may pay that."""
    code = "import sys, shared.line.client, shared.line.builders; sys.exit('linebot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
