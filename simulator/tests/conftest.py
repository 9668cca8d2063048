"""One stand-in for all tests here, as new for each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from simulator.server import running
from simulator.settings import SimulatorSettings
from simulator.tests.stand import CHANNELS, Clock, Receiver, Stand


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """Run the stand-in on a free port with a webhook receiver behind it."""
    file = tmp_path_factory.mktemp("simulator") / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    receiver, clock = Receiver(), Clock()
    app = web.Application()
    app.router.add_post("/webhook/{slug}", receiver.take)
    app.router.add_get("/{path:.*}", receiver.page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = SimulatorSettings(channels_file=file, port=0, webhook_base_url=base, log_level="WARNING")
    async with running(settings, clock) as (url, sim):
        stand = Stand(url, sim.state.world, sim.state.dispatcher, receiver, clock)
        yield stand
        await stand.session.close()
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def stand(running_stand: Stand) -> Stand:
    """Return the stand-in with nobody in it, nothing counted and no fault in force."""
    await running_stand.renew()
    return running_stand
