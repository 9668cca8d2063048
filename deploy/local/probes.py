"""Questions to running processes: is it there, and if not, why. Each answer is None (yes) or a reason in words."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiokafka.errors
import pymongo
import pymongo.errors
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.errors import StackError

TIMEOUT_SECONDS = 3.0
POLL_SECONDS = 0.2

# The stack is on the loopback: a proxy set in the environment is not for it.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Probe = Callable[[], str | None]


def mongo_accepts(url: str) -> str | None:
    """Ask a MongoDB-protocol server for a ping."""
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        url, serverSelectionTimeoutMS=int(TIMEOUT_SECONDS * 1000), connectTimeoutMS=int(TIMEOUT_SECONDS * 1000)
    )
    try:
        client.admin.command("ping")
    except pymongo.errors.PyMongoError as error:
        # The server's name and the reason; what follows is the driver's settings.
        told = re.split(r",| \(configured", str(error))[0]
        return f"{error.__class__.__name__}: {told[:200]}"
    finally:
        client.close()
    return None


def kafka_accepts(url: str) -> str | None:
    """Ask a Kafka cluster for its metadata. Not to be called where an event loop runs."""
    if not any(_listens(server) for server in url.split(",")):
        return "nothing listens there"
    with quiet_client():
        return asyncio.run(_kafka_metadata(url))


@contextmanager
def quiet_client() -> Iterator[None]:
    """Keep aiokafka from logging each failed attempt as an error: for a probe it is an answer."""
    noisy = logging.getLogger("aiokafka")
    level = noisy.level
    noisy.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        noisy.setLevel(level)


def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


async def _kafka_metadata(url: str) -> str | None:
    admin = AIOKafkaAdminClient(bootstrap_servers=url, request_timeout_ms=int(TIMEOUT_SECONDS * 1000))
    try:
        await admin.start()
        brokers = (await admin.describe_cluster())["brokers"]
    except (aiokafka.errors.KafkaError, OSError) as error:
        return f"{error.__class__.__name__}: {error}"[:200]
    finally:
        await admin.close()
    return None if brokers else "no broker has registered yet"


def http_ok(url: str) -> str | None:
    """Ask an HTTP address; any 2xx is yes, else the status with the start of what it says."""
    try:
        with DIRECT.open(url, timeout=TIMEOUT_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code} {error.read(300).decode('utf-8', 'replace').strip()}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return "nothing listens there" if isinstance(reason, ConnectionRefusedError) else str(reason)[:200]


def wait_for(probe: Probe, seconds: float, what: str, still_runs: Callable[[], str | None] = lambda: None) -> None:
    """Wait until the probe says yes.

    `still_runs` answers why waiting is in vain (the process has ended), or None.

    Raises:
        StackError: time is up, or the process has ended; with the last reason.
    """
    until = time.monotonic() + seconds
    while (reason := probe()) is not None:
        ended = still_runs()
        if ended is not None:
            raise StackError(f"{what} {ended}")
        if time.monotonic() > until:
            raise StackError(f"{what} is not ready after {seconds:.0f} s: {reason}")
        time.sleep(POLL_SECONDS)
