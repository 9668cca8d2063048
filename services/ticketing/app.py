"""Ticketing, wired: the only file that knows how the parts fit; reads top to bottom."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from prometheus_client import CollectorRegistry, Counter

from services.ticketing import SERVICE
from services.ticketing.autoreplies import store as rule_store
from services.ticketing.autoreplies.api import rule_routes
from services.ticketing.clocks.api import hours_routes
from services.ticketing.clocks.store import MongoHours
from services.ticketing.content import store as content_store
from services.ticketing.content.api import content_routes
from services.ticketing.content.fetching import ContentDesk, ContentMetrics
from services.ticketing.content.files import GridFiles
from services.ticketing.conversations import store as conversation_store
from services.ticketing.conversations.api import Inbox, conversation_routes
from services.ticketing.conversations.changes import ConversationChanges
from services.ticketing.conversations.errands import NOTE_REPLY, OPEN_TICKET
from services.ticketing.conversations.handlers import DeskDeps, Kept, Unsent, on_line_events
from services.ticketing.conversations.replies import Replies
from services.ticketing.flows import store as flow_store
from services.ticketing.flows.api import flow_routes
from services.ticketing.messages import store as message_store
from services.ticketing.messages.handlers import on_line_sent
from services.ticketing.messages.model import delivery_of
from services.ticketing.people import store as people_store
from services.ticketing.people.handlers import Eraser, PeopleDeps, on_member_state
from services.ticketing.settings import TicketingSettings
from services.ticketing.tickets import store as ticket_store
from services.ticketing.tickets.api import ticket_routes
from services.ticketing.tickets.breaches import flagging
from services.ticketing.tickets.changes import TicketChanges
from services.ticketing.tickets.errands import opening_courier, response_errand
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
from shared.mongo import Document, connect, ensure_indexes, ping, until_available
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer

INDEXES = (
    *claims.INDEXES,
    *audit.INDEXES,
    *dlq.INDEXES,
    *conversation_store.INDEXES,
    *message_store.INDEXES,
    *people_store.INDEXES,
    *rule_store.INDEXES,
    *flow_store.INDEXES,
    *content_store.INDEXES,
    *ticket_store.INDEXES,
)


def create_app(settings: TicketingSettings, *, now: Now = utcnow) -> Application:
    """Wire ticketing. Nothing is contacted before the lifespan is entered.

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
    outboxes, answer_metrics = OutboxMetrics(registry), AnswerMetrics(registry)

    conversations = conversation_store.MongoConversations(database)
    messages = message_store.MongoMessages(database)
    people = people_store.MongoPeople(database)
    rules = rule_store.MongoRules(database)
    rule_book = rule_store.RuleBook(rules)

    published = flow_store.MongoFlows(database)
    flows = flow_store.FlowBook(published, flow_store.load_built_in())
    pieces, files = content_store.MongoPieces(database), GridFiles(database)
    most = settings.content_most_bytes
    content = ContentDesk(pieces, files, line, channels, ContentMetrics(registry), most_bytes=most, now=now)

    tickets = ticket_store.MongoTickets(database)
    hours = MongoHours(database, channels)

    async def deliver(document_id: str, item: Document) -> bool:
        return await couriers(document_id, item)

    async def notify(ticket_id: str, item: Document) -> bool:
        return await notices.deliver(ticket_id, item)

    async def note_end(_: str, item: Document, end: str, request_id: str | None) -> None:
        await messages.end(item, delivery_of(end, request_id, now()))

    outbox = Outbox(conversations.collection, sender, deliver, outboxes, now)
    changes = ConversationChanges(conversations, messages, outbox, now)
    states = AnswerStates(conversations.collection)
    answers = AnswerCourier(SERVICE, states, outbox, line, channels, answer_metrics, now, ended=note_end)

    ticket_outbox = Outbox(tickets.collection, sender, notify, outboxes, now)
    ticket_changes = TicketChanges(tickets, ticket_outbox, hours, people, channels, now)
    states = AnswerStates(tickets.collection)
    notices = AnswerCourier(SERVICE, states, ticket_outbox, line, channels, answer_metrics, now, ended=note_end)

    couriers = courier_of(
        {
            ANSWER: answers.deliver,
            OPEN_TICKET: opening_courier(ticket_changes, outbox),
            NOTE_REPLY: errand(outbox, response_errand(ticket_changes)),
        }
    )

    kept: tuple[Kept, ...] = (content.on_message,)
    unsent: tuple[Unsent, ...] = (content.erase_message, tickets.unsend)
    erasers: tuple[Eraser, ...] = (conversations.forget, messages.forget, content.erase_contact, tickets.forget)

    ignored = Counter(
        "desk_ignored_events",
        "LINE's events that are no one's conversation: of groups, rooms, or without a source.",
        ["source"],
        registry=registry,
    )
    desk = DeskDeps(
        changes=changes,
        messages=messages,
        people=people,
        rules=rule_book,
        flows=flows,
        channels=channels,
        ignored=ignored,
        grace=settings.grace,
        now=now,
        kept=kept,
        unsent=unsent,
    )
    handlers = {
        topics.LINE_EVENTS: partial(on_line_events, deps=desk),
        topics.MEMBER_STATE: partial(on_member_state, deps=PeopleDeps(people, erasers)),
        topics.LINE_SENT: partial(on_line_sent, messages=messages),
    }
    options = ConsumerOptions(SERVICE, settings.kafka_url, keyed=True, instance_id=settings.group_instance_id)
    consumer = Consumer(options, handlers, sender, claims.Claims(database, now), erasures.concerns, registry)
    dead_letters = DeadLetterDesk(SERVICE, settings.kafka_url, sender, database, audit_log)

    inbox = Inbox(
        changes=changes,
        messages=messages,
        people=people,
        replies=Replies(changes, messages, now),
        channels=channels,
        audit=audit_log,
        keys=keys,
        now=now,
    )
    api = create_api("Musubi ticketing", registry)
    api.include_router(conversation_routes(inbox))
    api.include_router(rule_routes(rules, rule_book, channels, audit_log, keys, now))
    api.include_router(flow_routes(published, flows, channels, audit_log, keys, now))
    api.include_router(content_routes(pieces, files, keys))
    api.include_router(ticket_routes(ticket_changes, hours, channels, audit_log, keys, now))
    api.include_router(hours_routes(hours, channels, audit_log, keys, now))
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
            await stack.enter_async_context(ticket_outbox.relaying(database))
            await stack.enter_async_context(flagging(ticket_changes, database, now))
            await stack.enter_async_context(content.fetching())
            await stack.enter_async_context(consumer.running(before_consuming))
            yield

    return Application(SERVICE, api, health, registry, lifespan)
