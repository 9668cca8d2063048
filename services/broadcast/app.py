"""Broadcast, wired: the only file that knows how the parts fit; reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from prometheus_client import CollectorRegistry

from services.broadcast.campaigns import blocks as campaign_blocks
from services.broadcast.campaigns import store as campaign_store
from services.broadcast.campaigns import trials as campaign_trials
from services.broadcast.campaigns.api import campaign_routes
from services.broadcast.campaigns.audiences import CampaignAudiences
from services.broadcast.campaigns.blocks import BLAME, BlockDeps, on_member_events, settle_block
from services.broadcast.campaigns.checks import Checks
from services.broadcast.campaigns.contents import Contents
from services.broadcast.campaigns.desk import CampaignDesk
from services.broadcast.campaigns.freezing import Freezer
from services.broadcast.campaigns.ledger_api import ledger_routes
from services.broadcast.campaigns.life import WITHDRAW, CampaignLife
from services.broadcast.campaigns.orders import CampaignOrders
from services.broadcast.campaigns.planned import start_due
from services.broadcast.campaigns.quota import quota_reader
from services.broadcast.campaigns.sends_api import send_routes
from services.broadcast.campaigns.trials import TrialSender
from services.broadcast.people import store as people_store
from services.broadcast.people.handlers import PeopleDeps, on_member_state, on_web_events
from services.broadcast.segments import store as segment_store
from services.broadcast.segments.api import segment_routes
from services.broadcast.segments.resolving import Audiences
from services.broadcast.sending import documents as chunk_documents
from services.broadcast.sending.calls import SendingOptions, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.ends import Ends
from services.broadcast.sending.metrics import SendingMetrics
from services.broadcast.sending.queue import ChunkQueue
from services.broadcast.sending.reach import FriendsOnly
from services.broadcast.sending.senders import Senders
from services.broadcast.settings import BroadcastSettings
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
from shared.schedule import Lease, repeating_leased

SERVICE = "broadcast"

INDEXES = (
    *claims.INDEXES,
    *audit.INDEXES,
    *dlq.INDEXES,
    *people_store.INDEXES,
    *segment_store.INDEXES,
    *campaign_store.INDEXES,
    *campaign_blocks.INDEXES,
    *campaign_trials.INDEXES,
    *chunk_documents.INDEXES,
)


def create_app(settings: BroadcastSettings, *, now: Now = utcnow) -> Application:
    """Wire broadcast. Nothing is contacted before the lifespan is entered.

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

    people = people_store.MongoPeople(database)
    segments = segment_store.MongoSegments(database)
    people_deps = PeopleDeps(people, erasures.erased_at)
    chunks = Chunks(database)
    outbox_metrics = OutboxMetrics(registry)

    campaigns = campaign_store.MongoCampaigns(database)
    blocks = campaign_blocks.MongoBlocks(database, now)
    trials = campaign_trials.MongoTrials(database)

    async def deliver(document_id: str, item: Document) -> bool:
        return await couriers(document_id, item)

    campaign_outbox = Outbox(campaigns.collection, sender, deliver, outbox_metrics, now)
    block_outbox = Outbox(blocks.collection, sender, deliver, outbox_metrics, now)
    trial_outbox = Outbox(trials.collection, sender, deliver, outbox_metrics, now)
    life = CampaignLife(campaigns, campaign_outbox, now)
    block_deps = BlockDeps(life, chunks, blocks, block_outbox)

    async def withdraw(campaign: str, _: Document) -> bool:
        await chunks.withdraw(campaign)
        return True

    tests = AnswerCourier(
        SERVICE,
        AnswerStates(trials.collection),
        trial_outbox,
        line,
        channels,
        AnswerMetrics(registry),
        now,
        ended=trials.note_end,
    )
    couriers = courier_of(
        {
            WITHDRAW: errand(campaign_outbox, withdraw),
            BLAME: partial(settle_block, deps=block_deps),
            ANSWER: tests.deliver,
        }
    )
    read_quota = quota_reader(line)
    audiences = CampaignAudiences(Audiences(segments), people)
    desk = CampaignDesk(life, audiences, Contents(link_keys, settings.public_url), channels, read_quota)
    freezer = Freezer(life, people, chunks, read_quota)
    freezing = Lease(database, "freezing", seconds=10, now=now)
    planned = Lease(database, "planned", seconds=10, now=now)

    chunk_outbox = Outbox(chunks.collection, sender, None, outbox_metrics, now)
    queue = ChunkQueue(database)
    pace = SendingOptions(settings.multicasts_per_second, most_rejected=settings.most_rejected_chunks)
    orders, ends = CampaignOrders(life, chunks), Ends(queue, chunk_outbox)
    tools = Tools(queue, orders, line.sending, ends, SendingMetrics(registry), pace, now)
    senders = Senders(database, channels, tools, chunks, FriendsOnly(database))

    handlers = {
        topics.MEMBER_STATE: partial(on_member_state, deps=people_deps),
        topics.WEB_EVENTS: partial(on_web_events, deps=people_deps),
        topics.MEMBER_EVENTS: partial(on_member_events, deps=block_deps),
    }
    options = ConsumerOptions(SERVICE, settings.kafka_url, keyed=True, instance_id=settings.group_instance_id)
    consumer = Consumer(options, handlers, sender, claims.Claims(database, now), erasures.concerns, registry)
    dead_letters = DeadLetterDesk(SERVICE, settings.kafka_url, sender, database, audit_log)

    api = create_api("Musubi broadcast", registry)
    api.include_router(segment_routes(segments, people, channels, audit_log, keys, now))
    api.include_router(campaign_routes(desk, audit_log, keys))
    api.include_router(send_routes(Checks(desk, line), TrialSender(trials, trial_outbox, now), audit_log, keys))
    api.include_router(ledger_routes(campaigns, chunks, keys, now))
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
            for outbox in (campaign_outbox, block_outbox, trial_outbox, chunk_outbox):
                await stack.enter_async_context(outbox.relaying(database))
            freeze = partial(freezer.freeze_all, freezing.take)
            await stack.enter_async_context(repeating_leased(freezing, "freezing", 1.0, freeze))
            await stack.enter_async_context(repeating_leased(planned, "planned starts", 1.0, partial(start_due, life)))
            await stack.enter_async_context(senders.running())
            await stack.enter_async_context(consumer.running(before_consuming))
            yield

    return Application(SERVICE, api, health, registry, lifespan)
