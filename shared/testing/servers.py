"""Real servers for tests, as a pytest plugin: one Kafka and one MongoDB-protocol server for the whole session.

What KAFKA_URL and MONGO_URL name is used; what they do not is started (design §11). Topics are there once `kafka_url`
is. Tests share both servers: tell them apart by account slugs, consumer groups and databases of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from shared.ids import ulid

if TYPE_CHECKING:
    from deploy.local.servers import Servers
    from shared.mongo import Database


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Kafka and the store; `servers.kafka` and `servers.mongo` can be stopped, frozen and started where they are ours.

    They are everyone's: a test that stops one starts it again, whatever happens.
    """
    from deploy.local.servers import running_servers

    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_url(servers: Servers) -> str:
    """Return host:port of a Kafka that has every topic."""
    from deploy.topics.job import apply_topics

    asyncio.run(apply_topics(servers.kafka_url))
    return servers.kafka_url


@pytest.fixture(scope="session")
def mongo_url(servers: Servers) -> str:
    """Return the URL of the store."""
    return servers.mongo_url


@pytest_asyncio.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """Return an empty database, dropped after the test."""
    from shared.mongo import connect

    client = connect(mongo_url)
    name = f"test_{ulid().lower()}"
    try:
        yield client[name]
        await client.drop_database(name)
    finally:
        client.close()
