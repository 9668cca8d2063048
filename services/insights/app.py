"""Insights, wired: the only file that knows how the parts fit; reads top to bottom."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter

from services.insights.accounts import Accounts
from services.insights.counters import store as counter_store
from services.insights.counters.handlers import CountDeps, count
from services.insights.counters.readings import READERS
from services.insights.reports.api import report_routes
from services.insights.reports.campaign_api import campaign_routes
from services.insights.settings import InsightsSettings
from shared import audit, dlq
from shared.api import create_api
from shared.audit_routes import audit_routes
from shared.auth import AdminKeys
from shared.clock import Now, utcnow
from shared.consumer import Consumer, ConsumerOptions, claims
from shared.dlq import DeadLetterDesk, dead_letter_routes
from shared.erasures import Erasures, load_erasure_key
from shared.http import Application, Health
from shared.mongo import connect, ensure_indexes, ping, until_available
from shared.producer import Producer

SERVICE = "insights"

INDEXES = (*claims.INDEXES, *audit.INDEXES, *dlq.INDEXES, *counter_store.INDEXES)


def create_app(settings: InsightsSettings, *, now: Now = utcnow) -> Application:
    """Wire insights. Nothing is contacted before the lifespan is entered.

    Raises:
        BadFile: a configuration file is wrong; the text says where.
    """
    registry = CollectorRegistry()
    accounts = Accounts(settings.channels_file)
    keys = AdminKeys.load(settings.admin_keys_file)

    client = connect(settings.mongo_url)
    database = client[settings.database]
    counters = counter_store.MongoCounters(database)
    sender = Producer(settings.kafka_url, SERVICE, registry=registry)
    erasures = Erasures(settings.kafka_url, load_erasure_key(settings.erasure_key_file))

    skipped = Counter(
        "insights_skipped_records",
        "Records of an account that CHANNELS_FILE does not hold: without its time zone they cannot be counted.",
        ["topic"],
        registry=registry,
    )
    deps = CountDeps(counters, accounts.zone, skipped)
    handlers = {topic: partial(count, read=read, deps=deps) for topic, read in READERS.items()}
    options = ConsumerOptions(
        SERVICE,
        settings.kafka_url,
        keyed=False,
        group=settings.consumer_group,
        instance_id=settings.group_instance_id,
    )
    consumer = Consumer(options, handlers, sender, claims.Claims(database, now), erasures.concerns, registry)

    audit_log = audit.Audit(database, now)
    dead_letters = DeadLetterDesk(SERVICE, settings.kafka_url, sender, database, audit_log)

    api = create_api("Musubi insights", registry)
    api.include_router(report_routes(counters, accounts.get, keys, now))
    api.include_router(campaign_routes(counters, accounts.get, keys, now))
    api.include_router(dead_letter_routes(dead_letters, keys))
    api.include_router(audit_routes(audit_log, keys))

    health = Health(
        ready={"kafka": sender.problem, "store": partial(ping, client), "consumer": consumer.ready},
        live={"consumer": consumer.live},
    )

    async def before_consuming() -> None:
        await until_available(partial(ensure_indexes, database, INDEXES), "indexes")
        await erasures.until_read()

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(client.close)
            await sender.start()
            stack.push_async_callback(sender.close)
            await stack.enter_async_context(erasures.following())
            await stack.enter_async_context(consumer.running(before_consuming))
            yield

    return Application(SERVICE, api, health, registry, lifespan)
