"""Binding, wired: the only file that knows how the parts fit; reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from prometheus_client import CollectorRegistry

from services.binding.accountlinks import store as nonce_store
from services.binding.accountlinks.api import account_link_routes
from services.binding.groups.store import MongoGroups
from services.binding.keys.api import key_routes
from services.binding.links.api import link_routes
from services.binding.members import store as member_store
from services.binding.members.api import member_routes
from services.binding.members.changes import MemberChanges
from services.binding.members.erasure import FORGET, Traces, forget_contacts
from services.binding.members.handlers import LineEventDeps, on_line_events
from services.binding.members.state_topic import on_member_state
from services.binding.menus.courier import MenuCourier
from services.binding.menus.model import MENU
from services.binding.settings import BindingSettings
from services.binding.sources import store as hit_store
from services.binding.sources.handlers import SourceDeps, find_source, on_web_events
from services.binding.sources.model import ATTRIBUTE
from services.binding.tags import store as tag_store
from services.binding.tags.account_api import account_tag_routes
from services.binding.tags.api import tag_routes
from services.binding.tags.expiry import TagExpiry
from shared import audit, dlq, topics
from shared.answers import ANSWER, AnswerCourier, AnswerMetrics
from shared.answers.store import AnswerStates
from shared.api import create_api
from shared.audit_routes import audit_routes
from shared.auth import AdminKeys
from shared.channels import load_channels
from shared.clock import Now, utcnow
from shared.consumer import Consumer, ConsumerOptions, claims
from shared.couriers import courier_of, errand
from shared.dlq import DeadLetterDesk, dead_letter_routes
from shared.erasures import Erasures, load_erasure_key
from shared.http import Application, Health
from shared.line import builders
from shared.line.client import LineClient
from shared.links import LinkKeys
from shared.mongo import Document, connect, ensure_indexes, ping, until_available
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer

SERVICE = "binding"

INDEXES = (
    *claims.INDEXES,
    *audit.INDEXES,
    *dlq.INDEXES,
    *member_store.INDEXES,
    *nonce_store.INDEXES,
    *hit_store.INDEXES,
    *tag_store.INDEXES,
)


def create_app(settings: BindingSettings, *, now: Now = utcnow) -> Application:
    """Wire binding. Nothing is contacted before the lifespan is entered.

    Raises:
        BadFile: a configuration file is wrong; the text says where.
    """
    registry = CollectorRegistry()
    channels = load_channels(settings.channels_file)
    keys = AdminKeys.load(settings.admin_keys_file)
    link_keys = LinkKeys.load(settings.link_key_file)

    client = connect(settings.mongo_url)
    database = client[settings.database]
    sender = Producer(settings.kafka_url, SERVICE, registry=registry)
    line = LineClient(settings, channels, registry, now=now)
    erasures = Erasures(settings.kafka_url, load_erasure_key(settings.erasure_key_file))
    audit_log = audit.Audit(database, now)

    members = member_store.MongoMembers(database)
    nonces = nonce_store.MongoNonces(database)
    groups = MongoGroups(database)
    hits = hit_store.MongoHits(database)
    tags = tag_store.MongoTags(database)

    async def deliver(document_id: str, item: Document) -> bool:
        return await couriers(document_id, item)

    outbox = Outbox(members.collection, sender, deliver, OutboxMetrics(registry), now)
    changes = MemberChanges(members, outbox, now)
    expiry = TagExpiry(tags, changes, now)
    sources = SourceDeps(hits, changes, channels)

    async def attribute(member_id: str, item: Document) -> bool:
        await find_source(member_id, item["contact"], item["followed_at"], sources)
        return True

    async def forget(_: str, item: Document) -> bool:
        return await forget_contacts(item["contacts"], Traces(hits, groups, line, channels))

    answers = AnswerCourier(
        SERVICE,
        AnswerStates(members.collection),
        outbox,
        line,
        channels,
        AnswerMetrics(registry),
        now,
        member_of=lambda member_id, _: member_id,
    )
    couriers = courier_of(
        {
            ANSWER: answers.deliver,
            MENU: MenuCourier(members, outbox, line, channels, registry).deliver,
            ATTRIBUTE: errand(outbox, attribute),
            FORGET: errand(outbox, forget),
        }
    )

    handlers = {
        topics.LINE_EVENTS: partial(on_line_events, deps=LineEventDeps(changes, nonces, groups, channels, now)),
        topics.WEB_EVENTS: partial(on_web_events, deps=sources),
        topics.MEMBER_STATE: partial(on_member_state, changes=changes),
    }
    options = ConsumerOptions(SERVICE, settings.kafka_url, keyed=True, instance_id=settings.group_instance_id)
    consumer = Consumer(options, handlers, sender, claims.Claims(database, now), erasures.concerns, registry)
    dead_letters = DeadLetterDesk(SERVICE, settings.kafka_url, sender, database, audit_log)

    api = create_api("Musubi binding", registry)
    api.include_router(member_routes(changes, erasures, audit_log, keys, now))
    api.include_router(key_routes(changes, audit_log, keys, now))
    api.include_router(tag_routes(changes, audit_log, keys, now))
    api.include_router(account_tag_routes(tags, changes, channels, audit_log, keys, now))
    api.include_router(account_link_routes(members, nonces, line, channels, keys, settings.line_login_url, now))
    api.include_router(link_routes(link_keys, channels, keys, settings.public_url))
    api.include_router(dead_letter_routes(dead_letters, keys))
    api.include_router(audit_routes(audit_log, keys))

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
            await stack.enter_async_context(outbox.relaying(database))
            await stack.enter_async_context(expiry.expiring(database))
            await stack.enter_async_context(consumer.running(before_consuming))
            yield

    return Application(SERVICE, api, health, registry, lifespan)
