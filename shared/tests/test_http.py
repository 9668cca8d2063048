"""The HTTP chassis: health, metrics and a clean end, as ops and a load balancer see them (design §10)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from shared import http
from shared.http import Application, Check, Health, ops_app, serve
from shared.testing.processes import free_port
from shared.testing.waiting import eventually


async def well() -> str | None:
    return None


async def broken() -> str | None:
    return "out of paper"


async def raising() -> str | None:
    raise ConnectionRefusedError("mongodb://user:secret@host")


async def hanging() -> str | None:
    await asyncio.Event().wait()
    return None


def client(health: Health, registry: CollectorRegistry | None = None) -> httpx.AsyncClient:
    app = ops_app(health, registry or CollectorRegistry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops")


@pytest.mark.parametrize(
    ("checks", "status", "problems"),
    [
        ({}, 200, {}),
        ({"store": well, "kafka": well}, 200, {}),
        ({"store": well, "printer": broken}, 503, {"printer": "out of paper"}),
        ({"store": raising}, 503, {"store": "ConnectionRefusedError"}),
        ({"store": raising, "printer": broken}, 503, {"store": "ConnectionRefusedError", "printer": "out of paper"}),
    ],
)
@pytest.mark.parametrize("path", ["live", "ready"])
async def test_health_names_what_is_wrong(
    path: str, checks: dict[str, Check], status: int, problems: dict[str, str]
) -> None:
    health = Health(live=checks) if path == "live" else Health(ready=checks)
    async with client(health) as ops:
        answer = await ops.get(f"/health/{path}")
        other = await ops.get("/health/ready" if path == "live" else "/health/live")

    assert answer.status_code == status
    assert answer.json() == {"status": "ok" if status == 200 else "unavailable", "problems": problems}
    assert other.status_code == 200


async def test_a_check_that_hangs_fails_in_time_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CHECK_SECONDS", 0.05)
    async with client(Health(ready={"a": hanging, "b": hanging, "c": well})) as ops:
        answer = await asyncio.wait_for(ops.get("/health/ready"), 1)

    assert answer.json()["problems"] == {"a": "no answer within 0.05 s", "b": "no answer within 0.05 s"}


async def test_a_draining_process_is_alive_and_not_ready() -> None:
    async with client(Health(ready={"store": well}, live={"consumer": well}, draining=True)) as ops:
        live, ready = await ops.get("/health/live"), await ops.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.json()["problems"] == {"process": "shutting down"}


async def test_metrics_tell_which_check_fails() -> None:
    async with client(Health(ready={"store": raising, "kafka": well})) as ops:
        text = (await ops.get("/metrics")).text

    assert 'service_ready{check="store"} 0.0' in text
    assert 'service_ready{check="kafka"} 1.0' in text


async def test_health_answers_head_and_nothing_that_changes() -> None:
    async with client(Health()) as ops:
        assert (await ops.head("/health/ready")).status_code == 200
        assert (await ops.post("/health/ready")).status_code == 405


async def test_metrics_parse_in_both_forms() -> None:
    registry = CollectorRegistry()
    Counter("things", 'Things "seen"\nso far.', ["kind"], registry=registry).labels('a "b"\n\\').inc(3)
    Histogram("waits_seconds", "Waits.", registry=registry).observe(0.2)
    async with client(Health(), registry) as ops:
        plain = await ops.get("/metrics")
        openmetrics = await ops.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert plain.headers["content-type"].startswith("text/plain")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    read = [text_string_to_metric_families(plain.text)]
    read.append(read_openmetrics(openmetrics.text))  # type: ignore[no-untyped-call]
    for families in read:
        samples = {
            (sample.name, sample.labels.get("kind")): sample.value for family in families for sample in family.samples
        }
        assert samples["things_total", 'a "b"\n\\'] == 3
        assert samples["waits_seconds_count", None] == 1


class Served:
    """A process served in this one, on ports of its own."""

    def __init__(self) -> None:
        self.port, self.ops_port = free_port(), free_port()
        self.health = Health()
        self.events: list[str] = []
        self.entered, self.asked, self.release = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()

    async def slow(self, _: Request) -> Response:
        self.asked.set()
        await self.release.wait()
        self.events.append("answered")
        return PlainTextResponse("done")

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        self.entered.set()
        yield
        self.events.append("closing")
        await self.drained.wait()
        self.events.append("closed")

    async def serve(self) -> None:
        api = Starlette(routes=[Route("/slow", self.slow)])
        app = Application("test", api, self.health, CollectorRegistry(), self.lifespan)
        await serve(app, "127.0.0.1", self.port, self.ops_port)

    async def ready(self, ops: httpx.AsyncClient) -> int:
        return (await ops.get(f"http://127.0.0.1:{self.ops_port}/health/ready")).status_code


@pytest.fixture
async def served(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Served]:
    caplog.set_level(logging.INFO, "shared.http")
    served = Served()
    task = asyncio.create_task(served.serve())
    try:
        await asyncio.wait_for(served.entered.wait(), 5)
        yield served
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        served.release.set()
        served.drained.set()
        await asyncio.wait_for(task, 10)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(name)


async def test_on_sigterm_requests_are_answered_then_what_runs_behind_is_closed_while_ops_still_answers(
    served: Served,
) -> None:
    served.drained.clear()
    async with httpx.AsyncClient() as browser, httpx.AsyncClient() as ops:
        await eventually(lambda: served.ready(ops), seconds=5)
        request = asyncio.create_task(browser.get(f"http://127.0.0.1:{served.port}/slow"))
        await served.asked.wait()
        os.kill(os.getpid(), signal.SIGTERM)

        await eventually(lambda: served.health.draining, seconds=5)
        assert await served.ready(ops) == 503
        assert served.events == []
        served.release.set()
        assert (await request).text == "done"

        await eventually(lambda: served.events == ["answered", "closing"], seconds=5)
        assert await served.ready(ops) == 503
        with pytest.raises(httpx.ConnectError):
            await browser.get(f"http://127.0.0.1:{served.port}/slow", headers={"connection": "close"})
        served.drained.set()
        await eventually(lambda: served.events[-1] == "closed", seconds=5)


async def test_a_turning_loop_is_alive(served: Served) -> None:
    async with httpx.AsyncClient() as ops:
        answer = await ops.get(f"http://127.0.0.1:{served.ops_port}/health/live")

    assert (answer.status_code, set(served.health.live)) == (200, {"loop"})


async def test_a_port_in_use_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        served = Served()
        served.port = port

        with pytest.raises(SystemExit, match=f"port {port} of 127.0.0.1 cannot be used: Address already in use"):
            await served.serve()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(name)
