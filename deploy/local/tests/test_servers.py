"""Real servers for tests: data survives a stop and a start; given servers are used; nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pymongo.errors
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.errors import StackError
from deploy.local.paths import CHECKOUT
from deploy.local.servers import Server, Servers, running_servers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of this module's own, whatever the environment gives, for it stops them."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("KAFKA_URL", "MONGO_URL", "STACK"):
            patch.delenv(variable, raising=False)
        with running_servers(tmp_path_factory.mktemp("servers")) as servers:
            yield servers


async def topics(url: str, create: str | None = None) -> set[str]:
    """Make a topic where asked, and list the cluster's."""
    admin = AIOKafkaAdminClient(bootstrap_servers=url)
    await admin.start()
    try:
        if create is not None:
            await admin.create_topics([NewTopic(create, num_partitions=1, replication_factor=1)])
        return set(await admin.list_topics())
    finally:
        await admin.close()


def own(server: Server | None) -> Server:
    """The server, which here is always one's own."""
    assert server is not None
    return server


async def test_kafka_keeps_its_data_over_a_stop_and_over_a_kill(servers: Servers) -> None:
    await topics(servers.kafka_url, create="kept")
    kafka = own(servers.kafka)
    for end in (kafka.stop, kafka.kill):
        await asyncio.to_thread(end)
        await asyncio.to_thread(kafka.start)
        assert "kept" in await topics(servers.kafka_url)


def test_the_store_keeps_its_data_over_a_stop(servers: Servers) -> None:
    mongo = own(servers.mongo)
    with pymongo.MongoClient[dict[str, object]](servers.mongo_url) as client:
        client["kept"]["things"].insert_one({"_id": "one"})
        mongo.stop()
        mongo.start()
        assert client["kept"]["things"].find_one({"_id": "one"}) == {"_id": "one"}


def test_a_frozen_server_answers_again_after_it_is_let_go(servers: Servers) -> None:
    mongo = own(servers.mongo)
    mongo.pause()
    with pymongo.MongoClient[dict[str, object]](servers.mongo_url, serverSelectionTimeoutMS=300) as client:
        with pytest.raises(pymongo.errors.PyMongoError):
            client.admin.command("ping")
        mongo.resume()
    with pymongo.MongoClient[dict[str, object]](servers.mongo_url) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_given_servers_are_used_and_not_started(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_URL", servers.kafka_url)
    monkeypatch.setenv("MONGO_URL", servers.mongo_url)
    with running_servers(tmp_path) as given:
        assert given == Servers(servers.kafka_url, servers.mongo_url)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_killed_leaves_no_server(tmp_path: Path, servers: Servers) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from deploy.local.servers import running_servers\n"
        "with running_servers(pathlib.Path(sys.argv[1])) as servers:\n"
        "    print(servers.mongo.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "KAFKA_URL": servers.kafka_url}
    environment.pop("MONGO_URL", None)
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    pid, deadline = int(run.stdout), time.monotonic() + 15
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the server outlived its test run"
        time.sleep(0.1)


def test_a_given_server_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.servers.GIVEN_SECONDS", 0.1)
    monkeypatch.setenv("KAFKA_URL", "127.0.0.1:9")
    with pytest.raises(StackError, match="server that KAFKA_URL names is not ready"), running_servers(tmp_path):
        pass
