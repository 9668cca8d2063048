"""One stack for all end-to-end and fault tests, as a pytest plugin: two processes of each service, as
`make up` runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from shared.testing.spine import Spine, read_facts

if TYPE_CHECKING:
    from deploy.local.stack import Stack

REPLICAS = {"ingest": 2, "binding": 2, "broadcast": 2, "insights": 2, "ticketing": 2}


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A supervised stack of its own, taken down after the tests."""
    from deploy.local.paths import Home
    from deploy.local.progress import Progress
    from deploy.local.stack import Stack

    stack = Stack(Home(tmp_path_factory.mktemp("stack")), Progress(), anywhere=True)
    try:
        stack.up(REPLICAS)
        yield stack
    finally:
        stack.down()


@pytest_asyncio.fixture
async def spine(local_stack: Stack) -> AsyncIterator[Spine]:
    """The stack, ready, without faults."""
    async with httpx.AsyncClient(timeout=30) as http:
        spine = Spine(local_stack, read_facts(local_stack.home.stack_file), http)
        await spine.until_ready(*REPLICAS)
        await spine.tell("DELETE", "/faults")
        yield spine
        await spine.tell("DELETE", "/faults")
