"""Broadcast, wired: the only file that knows how the parts fit; reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from prometheus_client import CollectorRegistry

from services.broadcast.people import store as people_store
from services.broadcast.people.handlers import PeopleDeps, on_member_state, on_web_events
from services.broadcast.segments import store as segment_store
from services.broadcast.segments.api import segment_routes
from services.broadcast.settings import BroadcastSettings
from shared import audit, topics
from shared.api import create_api
from shared.auth import AdminKeys
from shared.channels import load_channels
from shared.clock import Now, utcnow
from shared.consumer import Consumer, ConsumerOptions, claims
from shared.dlq import DeadLetterDesk, dead_letter_routes
from shared.erasures import Erasures, load_erasure_key
from shared.http import Application, Health
from shared.line import builders
from shared.line.client import LineClient
from shared.mongo import connect, ensure_indexes, ping, until_available
from shared.producer import Producer

SERVICE = "broadcast"

INDEXES = (
    *claims.INDEXES,
    *audit.INDEXES,
    *people_store.INDEXES,
    *segment_store.INDEXES,
)


def create_app(settings: BroadcastSettings, *, now: Now = utcnow) -> Application:
    """Wire broadcast. Nothing is contacted before the lifespan is entered.

    Raises:
        BadFile: a configuration file is wrong; the text says where.
    """
    registry = CollectorRegistry()
    channels = load_channels(settings.channels_file)
    keys = AdminKeys.load(settings.admin_keys_file)

    client = connect(settings.mongo_url)
    database = client[settings.database]
    sender = Producer(settings.kafka_url, SERVICE, registry=registry)
    line = LineClient(settings, channels, registry, now=now)
    erasures = Erasures(settings.kafka_url, load_erasure_key(settings.erasure_key_file))
    audit_log = audit.Audit(database, now)

    people = people_store.MongoPeople(database)
    segments = segment_store.MongoSegments(database)
    people_deps = PeopleDeps(people, erasures.erased_at)

    handlers = {
        topics.MEMBER_STATE: partial(on_member_state, deps=people_deps),
        topics.WEB_EVENTS: partial(on_web_events, deps=people_deps),
    }
    options = ConsumerOptions(SERVICE, settings.kafka_url, keyed=True, instance_id=settings.group_instance_id)
    consumer = Consumer(options, handlers, sender, claims.Claims(database, now), erasures.concerns, registry)
    dead_letters = DeadLetterDesk(SERVICE, settings.kafka_url, sender, database, audit_log)

    api = create_api("Musubi broadcast", registry)
    api.include_router(segment_routes(segments, people, channels, audit_log, keys, now))
    api.include_router(dead_letter_routes(dead_letters, keys))

    health = Health(
        ready={"kafka": sender.problem, "store": partial(ping, client), "consumer": consumer.ready},
        live={"consumer": consumer.live},
    )

    async def before_consuming() -> None:
        await asyncio.to_thread(builders.load)
        await until_available(partial(ensure_indexes, database, INDEXES), "indexes")
        await erasures.until_read()

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(client.close)
            await stack.enter_async_context(line)
            await sender.start()
            stack.push_async_callback(sender.close)
            await stack.enter_async_context(erasures.following())
            await stack.enter_async_context(consumer.running(before_consuming))
            yield

    return Application(SERVICE, api, health, registry, lifespan)
