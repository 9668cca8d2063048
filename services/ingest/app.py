"""The composition root of ingest: the only file that wires."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import aiohttp
from prometheus_client import CollectorRegistry

from services.ingest.accounts import Accounts
from services.ingest.bodies import Bodies
from services.ingest.callbacks.api import Callbacks, load_callbacks
from services.ingest.front import Front
from services.ingest.links.api import Links
from services.ingest.metrics import IngestMetrics
from services.ingest.settings import IngestSettings
from services.ingest.sources.api import SourceDeps, Sources
from services.ingest.sources.identity import LineIdentity
from services.ingest.webhook.api import Publisher, Webhook
from shared.clock import utcnow
from shared.http import Application, Health
from shared.links import LinkKeys
from shared.producer import Producer

NAME = "ingest"


def create_app(
    settings: IngestSettings,
    *,
    publisher: Publisher | None = None,
    bodies: Bodies | None = None,
    now: Callable[[], datetime] = utcnow,
) -> Application:
    """Wire ingest. Nothing is connected until the lifespan is entered.

    Raises:
        BadFile: the channels, callbacks or link-key file is wrong; its text says where.
    """
    registry, health = CollectorRegistry(), Health()
    metrics = IngestMetrics(registry)
    accounts = Accounts(settings.channels_file)
    callbacks = load_callbacks(settings.callbacks_file, accounts)
    keys = LinkKeys.load(settings.link_key_file)
    bodies = bodies or Bodies()
    producer = Producer(settings.kafka_url, NAME, registry=registry)
    publisher = publisher or producer
    health.ready["kafka"] = producer.problem
    line = _Line(settings.line_api_url)
    secure = settings.public_url.startswith("https://")
    source_deps = SourceDeps(settings, keys, accounts, publisher, bodies, metrics, line.identity, now)

    webhook = Webhook(accounts, publisher, bodies, metrics, now)
    others = [
        *Callbacks(callbacks, publisher, bodies, now).routes(),
        *Links(keys, publisher, metrics, now, secure=secure).routes(),
        *Sources(source_deps).routes(),
    ]

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        await producer.start()
        try:
            async with line.connected(), accounts.refreshing(metrics.reload_failures.inc):
                yield
        finally:
            await producer.close()

    return Application(NAME, Front(webhook, others, metrics), health, registry, lifespan)


class _Line:
    """LINE's log-in, once there is a loop to hold its connections."""

    def __init__(self, line_api_url: str) -> None:
        self._url = line_api_url
        self._identity: LineIdentity | None = None

    def identity(self) -> LineIdentity:
        """Return the verifier; only while `connected`."""
        assert self._identity is not None, "the lifespan is not entered"
        return self._identity

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Hold connections for as long as the block lasts."""
        async with aiohttp.ClientSession() as session:
            self._identity = LineIdentity(session, self._url)
            yield
