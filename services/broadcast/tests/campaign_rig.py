"""Campaigns on the real store against LINE's stand-in, without a broker: what is published is kept in a list."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
from prometheus_client import CollectorRegistry

from services.broadcast.campaigns import blocks, trials
from services.broadcast.campaigns import store as campaign_store
from services.broadcast.campaigns.api import campaign_routes
from services.broadcast.campaigns.audiences import CampaignAudiences
from services.broadcast.campaigns.checks import Checks
from services.broadcast.campaigns.contents import Contents
from services.broadcast.campaigns.desk import CampaignDesk
from services.broadcast.campaigns.freezing import Freezer
from services.broadcast.campaigns.ledger_api import ledger_routes
from services.broadcast.campaigns.life import WITHDRAW, CampaignLife
from services.broadcast.campaigns.model import Audience, Campaign
from services.broadcast.campaigns.quota import quota_reader
from services.broadcast.campaigns.sends_api import send_routes
from services.broadcast.people.model import Person
from services.broadcast.people.store import PEOPLE, MongoPeople, person_document
from services.broadcast.segments.model import Segment
from services.broadcast.segments.resolving import Audiences
from services.broadcast.segments.store import MongoSegments
from services.broadcast.sending import documents
from services.broadcast.sending.chunks import Chunks
from shared.answers import ANSWER, AnswerCourier, AnswerMetrics
from shared.answers.store import AnswerStates
from shared.api import create_api
from shared.audit import Audit
from shared.auth import AdminKey, AdminKeys
from shared.channels import Channels, load_channels
from shared.clock import utcnow
from shared.couriers import courier_of, errand
from shared.ids import ulid
from shared.line.client import LineClient
from shared.links import LinkKeys
from shared.mongo import Database, Document, ensure_indexes
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer, Record
from shared.settings import LineSettings
from simulator.server import running
from simulator.settings import SimulatorSettings

CHANNEL = "cafe"
CHANNELS = """
- {slug: cafe, name: Café, destination: Uc5f96e75c454fa23d827923c76e6b5d1, basic_id: "@cafe", timezone: Asia/Taipei,
   channel_secret: 0123456789abcdef0123456789abcdef, access_token: token-cafe, language: zh-TW}
- {slug: other, name: Other, destination: Uc5f96e75c454fa23d827923c76e6b5d2, basic_id: "@other", timezone: Asia/Tokyo,
   channel_secret: 0123456789abcdef0123456789abcdef, access_token: token-other, language: ja}
"""
KEYS = {"admin": ["*"], "marketer": [CHANNEL], "viewer": [CHANNEL], "agent": [CHANNEL], "stranger": ["other"]}
PUBLIC_URL = "http://127.0.0.1:8000"
NOWHERE = "http://127.0.0.1:1"
LINK_KEYS = LinkKeys([("k1", bytes(32))])
HELLO = [{"type": "text", "text": "Sale: https://shop.example/sale"}]


def bearer(key: str) -> dict[str, str]:
    """Return the header of one of `KEYS`."""
    return {"authorization": f"Bearer mk_{key}_secret"}


def the_keys() -> AdminKeys:
    """Return `KEYS`; a stranger is an admin of another account."""
    return AdminKeys(
        [
            AdminKey.model_validate(
                {
                    "id": name,
                    "sha256": hashlib.sha256(f"mk_{name}_secret".encode()).hexdigest(),
                    "role": "admin" if name == "stranger" else name,
                    "channels": channels,
                }
            )
            for name, channels in KEYS.items()
        ]
    )


def contact(number: int) -> str:
    """Return a made-up contact; they sort as their numbers do."""
    return f"{CHANNEL}:U{number:032x}"


class Clock:
    """The time, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utcnow() + self.ahead

    def forward(self, **by: float) -> None:
        """Move on."""
        self.ahead += timedelta(**by)


class Broker:
    """Takes what is published."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Take records."""
        self.records += records

    def facts(self, campaign: str) -> list[dict[str, Any]]:
        """Return a campaign's facts, each id once; the same id with other contents is an error."""
        found: dict[str, bytes] = {}
        for record in self.records:
            if record.key == campaign.encode() and record.value is not None:
                told = orjson.loads(record.value)["id"]
                assert found.setdefault(told, record.value) == record.value
        return [orjson.loads(value) for value in found.values()]

    def states(self, campaign: str) -> list[str]:
        """Return the states that were told of a campaign."""
        return [fact["state"] for fact in self.facts(campaign) if fact["type"] == "state_changed"]


@dataclass
class Campaigns:
    """A process's campaigns on a database that may be a failing one."""

    database: Database
    broker: Broker
    line: LineClient
    channels: Channels
    clock: Clock

    def __post_init__(self) -> None:
        metrics = OutboxMetrics(CollectorRegistry())
        producer = cast(Producer, self.broker)
        self.store = campaign_store.MongoCampaigns(self.database)
        self.people = MongoPeople(self.database)
        self.chunks = Chunks(self.database)
        self.blocks = blocks.MongoBlocks(self.database, self.clock)
        self.trials = trials.MongoTrials(self.database)
        self.outboxes = [
            Outbox(collection, producer, self._deliver, metrics, self.clock)
            for collection in (self.store.collection, self.blocks.collection, self.trials.collection)
        ]
        own, blocked, tested = self.outboxes
        self.life = CampaignLife(self.store, own, self.clock)
        self.block_deps = blocks.BlockDeps(self.life, self.chunks, self.blocks, blocked)
        self.read_quota = quota_reader(self.line)
        audiences = CampaignAudiences(Audiences(MongoSegments(self.database)), self.people)
        contents = Contents(LINK_KEYS, PUBLIC_URL)
        self.desk = CampaignDesk(self.life, audiences, contents, self.channels, self.read_quota)
        self.trial_sender = trials.TrialSender(self.trials, tested, self.clock)
        states, answers = AnswerStates(self.trials.collection), AnswerMetrics(CollectorRegistry())
        courier = AnswerCourier(
            "broadcast", states, tested, self.line, self.channels, answers, self.clock, ended=self.trials.note_end
        )
        self._couriers = courier_of(
            {
                WITHDRAW: errand(own, self._withdraw),
                blocks.BLAME: partial(blocks.settle_block, deps=self.block_deps),
                ANSWER: courier.deliver,
            }
        )

    async def _deliver(self, document_id: str, item: Document) -> bool:
        return await self._couriers(document_id, item)

    async def _withdraw(self, campaign: str, _: Document) -> bool:
        await self.chunks.withdraw(campaign)
        return True

    @property
    def freezer(self) -> Freezer:
        """What freezes audiences."""
        return Freezer(self.life, self.people, self.chunks, self.read_quota)

    async def freeze(self) -> None:
        """Freeze what waits for it."""
        await self.freezer.freeze_all(always)

    async def relay(self) -> None:
        """Deliver what was left over."""
        for outbox in self.outboxes:
            await outbox.relay_once(timedelta(seconds=-1))


async def always() -> bool:
    """Hold a lease that nobody else wants."""
    return True


@dataclass
class Rig:
    """A process's campaigns, its API, and what looks at it from outside."""

    database: Database
    here: Campaigns
    api: httpx.AsyncClient
    line: httpx.AsyncClient
    clock: Clock
    broker: Broker

    async def ask(self, method: str, path: str, key: str = "marketer", **more: Any) -> httpx.Response:
        """Call the API; whatever is sent by POST has an Idempotency-Key of its own, unless one is given."""
        headers = bearer(key) | {"idempotency-key": ulid()} | dict(more.pop("headers", {}))
        return await self.api.request(method, f"/v1/campaigns{path}", headers=headers, **more)

    async def friends(self, *following: bool | None) -> list[str]:
        """Let people be known, from number 0 on, friends or not; return their contacts."""
        now = self.clock()
        people = [
            Person(contact(number), CHANNEL, f"mbr_{number}", 1, now, following=follows)
            for number, follows in enumerate(following)
        ]
        documents = [person_document(person) for person in people]
        await self.database[PEOPLE].insert_many(documents)
        return [person.contact for person in people]

    async def draft(self, **more: Any) -> dict[str, Any]:
        """Make a campaign to everyone."""
        body = {"channel": CHANNEL, "name": "Sale", "messages": HELLO} | more
        answer = await self.ask("POST", "", json=body)
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def started(self, **more: Any) -> str:
        """Make a campaign, start it and freeze its audience; return its id."""
        campaign = await self.draft(**more)
        answer = await self.ask("POST", f"/{campaign['id']}/start", json={})
        assert answer.status_code == 200, answer.text
        await self.here.freeze()
        return str(campaign["id"])

    async def campaign(self, campaign_id: str) -> Campaign:
        """Return a campaign as it is stored."""
        found = await self.here.store.get(campaign_id)
        assert found is not None
        return found

    async def segment(self, written: dict[str, Any]) -> str:
        """Keep a segment; return its id."""
        now = self.clock()
        segment = Segment(
            id=f"seg_{ulid()}",
            channel=CHANNEL,
            name="Segment",
            written=written,
            created_at=now,
            created_by="key:admin",
            updated_at=now,
            updated_by="key:admin",
            version=1,
            request="",
        )
        assert await MongoSegments(self.database).add(segment, frozenset())
        return segment.id

    async def accept(self, campaign: str, n: int, at: datetime | None = None) -> None:
        """Let LINE have accepted a chunk."""
        change = {"state": "accepted", "ended_at": at or self.clock(), "request_id": f"req-{n}"}
        await self.here.chunks.collection.update_one({"_id": f"{campaign}.{n:06d}"}, {"$set": change})

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the stand-in's control API."""
        answer = await self.line.request(method, f"/control{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


def a_campaign(clock: Clock, **more: Any) -> Campaign:
    """Return a campaign that is nowhere yet."""
    values: dict[str, Any] = {
        "id": f"cmp_{ulid()}",
        "channel": CHANNEL,
        "name": "Sale",
        "audience": Audience(),
        "messages": HELLO,
        "created_at": clock(),
        "created_by": "key:marketer",
        "updated_at": clock(),
    }
    return Campaign(**(values | more))


@contextlib.asynccontextmanager
async def rig_on(database: Database, folder: Path) -> AsyncIterator[Rig]:
    """Make a rig on an empty database."""
    indexes = (*campaign_store.INDEXES, *blocks.INDEXES, *trials.INDEXES, *documents.INDEXES)
    await ensure_indexes(database, indexes)
    file = folder / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    channels, clock, broker = load_channels(file), Clock(), Broker()
    quiet: dict[str, Any] = {"webhook_base_url": NOWHERE, "redelivery": False, "log_level": "WARNING"}
    simulator = SimulatorSettings(channels_file=file, port=0, rate_limits=0, **quiet)
    async with contextlib.AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(running(simulator))
        places = LineSettings(line_api_url=url, line_data_url=url)
        line = await stack.enter_async_context(LineClient(places, channels, CollectorRegistry(), now=clock))
        here = Campaigns(database, broker, line, channels, clock)
        audit, keys = Audit(database, clock), the_keys()
        api = create_api("campaigns", CollectorRegistry())
        api.include_router(campaign_routes(here.desk, audit, keys))
        api.include_router(send_routes(Checks(here.desk, line), here.trial_sender, audit, keys))
        api.include_router(ledger_routes(here.store, here.chunks, keys, clock))
        transport = httpx.ASGITransport(api)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://broadcast"))
        outside = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
        yield Rig(database, here, http, outside, clock, broker)
