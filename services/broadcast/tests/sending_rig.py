"""Sending on the real store against LINE's stand-in: campaigns of small chunks, processes that can die at any step."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from weakref import WeakKeyDictionary

import aiohttp
import orjson
from prometheus_client import CollectorRegistry

from services.broadcast.people.store import PEOPLE
from services.broadcast.sending.calls import SendingOptions, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.documents import CHUNKS, INDEXES
from services.broadcast.sending.ends import Ends
from services.broadcast.sending.metrics import SendingMetrics
from services.broadcast.sending.model import NewChunk, PauseReason, Tally
from services.broadcast.sending.orders import Content, Order
from services.broadcast.sending.queue import ChunkQueue
from services.broadcast.sending.reach import FriendsOnly
from services.broadcast.sending.senders import Senders
from shared.channels import load_channels
from shared.clock import utcnow
from shared.ids import ulid
from shared.line.client import LineClient
from shared.line.transport import Patience
from shared.mongo import Database, Document, ensure_indexes
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer, Record
from shared.settings import LineSettings
from shared.testing.waiting import eventually
from simulator.server import running
from simulator.settings import SimulatorSettings

CHANNEL = "cafe"
CHANNELS = """
- slug: cafe
  name: Café
  destination: Uc5f96e75c454fa23d827923c76e6b5d1
  basic_id: "@cafe"
  channel_secret: 0123456789abcdef0123456789abcdef
  access_token: token-cafe
  timezone: Asia/Taipei
  language: zh-TW
"""
HELLO = [{"type": "text", "text": "你好 🍎"}]
ORDERS = "orders"
SWIFT = Patience(attempts=2, within=2.0, attempt=0.5, connect=0.5, backoff=0.01, most_backoff=0.05)
OPTIONS = SendingOptions(per_second=2000, in_flight=6, handful=3, lease_seconds=5, claim_seconds=8, patience=SWIFT)
"""Chunks leave as fast as they can, a few at once, so that each run has rounds, a pace and calls side by side."""


class Clock:
    """The time, which a test can move on: leases and claims of the dead are over at once."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utcnow() + self.ahead

    def forward(self, **by: float) -> None:
        """Move on."""
        self.ahead += timedelta(**by)


class StoredOrders:
    """Campaigns of which nothing is known but whether they run; in the store, so that processes share them."""

    def __init__(self, database: Database) -> None:
        self._orders = database[ORDERS]

    async def put(self, campaign: str, state: str = "running") -> None:
        """Write a campaign's state."""
        await self._orders.update_one({"_id": campaign}, {"$set": {"state": state}}, upsert=True)

    async def running(self) -> Sequence[Order]:
        """See `Orders`."""
        found = await self._orders.find({"state": "running"}).to_list(100)
        return [Order(each["_id"], CHANNEL, each.get("priority", 10)) for each in found]

    async def content(self, campaign: str) -> Content:
        """See `Orders`."""
        return Content(HELLO, unit=campaign)

    async def pause(self, campaign: str, reason: PauseReason) -> None:
        """See `Orders`."""
        change = {"$set": {"state": f"paused: {reason}"}, "$inc": {"pauses": 1}}
        await self._orders.update_one({"_id": campaign, "state": "running"}, change)

    async def finish(self, campaign: str) -> None:
        """See `Orders`."""
        await self._orders.update_one({"_id": campaign, "state": "running"}, {"$set": {"state": "finished"}})

    async def of(self, campaign: str) -> Document:
        """Return what is stored of a campaign."""
        return await self._orders.find_one({"_id": campaign}) or {}


class Death(BaseException):
    """The process is killed."""


class Life:
    """Counts the steps at which a process leaves itself, before and after each; it dies at the one given."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.steps = 0
        self.over = asyncio.Event()
        self._dies_at = dies_at

    def step(self) -> None:
        """Take a step; nothing leaves a dead process."""
        if self.over.is_set():
            raise Death
        self.steps += 1
        if self.steps == self._dies_at:
            self.over.set()
            raise Death

    def guard(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the call with a step before and after it."""

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = await call(*args, **kwargs)
            self.step()
            return result

        return guarded


class Mortal:
    """Something whose calls leave the process."""

    def __init__(self, target: Any, life: Life, names: Sequence[str]) -> None:
        self._target, self._life, self._names = target, life, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._life.guard(found) if name in self._names else found


class MortalDatabase:
    """A database whose writes are steps."""

    WRITES = ("insert_one", "insert_many", "bulk_write", "update_one", "delete_one", "find_one", "count_documents")

    def __init__(self, database: Database, life: Life) -> None:
        self._database, self._life = database, life

    def __getitem__(self, name: str) -> Any:
        return Mortal(self._database[name], self._life, self.WRITES)


class Broker:
    """Takes what is published."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Take records."""
        await asyncio.sleep(0)
        self.records += records

    def facts(self, campaign: str) -> dict[str, dict[str, Any]]:
        """Return a campaign's facts by their ids; the same id with other contents is an error."""
        found: dict[str, bytes] = {}
        for record in self.records:
            if record.key == campaign.encode() and record.value is not None:
                told = orjson.loads(record.value)["id"]
                assert found.setdefault(told, record.value) == record.value
        return {told: orjson.loads(value) for told, value in found.items()}


@dataclass
class Campaign:
    """A frozen audience."""

    id: str
    users: list[str]
    chunks: int

    @property
    def contacts(self) -> list[str]:
        """Its people."""
        return [f"{CHANNEL}:{user}" for user in self.users]


@dataclass
class Rig:
    """What the processes share, and what looks at it from outside."""

    database: Database
    url: str
    channels_file: Path
    http: aiohttp.ClientSession
    clock: Clock = field(default_factory=Clock)
    broker: Broker = field(default_factory=Broker)

    def __post_init__(self) -> None:
        self.orders = StoredOrders(self.database)
        self.chunks = Chunks(self.database)
        self.people = self.database[PEOPLE]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the stand-in's control API."""
        async with self.http.request(method, f"{self.url}/control{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def fault(self, kind: str, **more: Any) -> None:
        """Give LINE a bad day."""
        await self.control("POST", "/faults", {"kind": kind, "api": "multicast", **more})

    async def campaign(self, chunks: int = 12, each: int = 3, state: str = "running") -> Campaign:
        """Freeze a campaign of friends nobody else has."""
        name = f"cmp_{ulid()[-20:]}"
        made = await self.control("POST", "/users", {"count": chunks * each, "seed": name, "start": 0})
        campaign = Campaign(name, sorted(made["user_ids"]), chunks)
        await self.people.insert_many([{"_id": contact, "following": True} for contact in campaign.contacts])
        for n in range(chunks):
            some = campaign.contacts[n * each : (n + 1) * each]
            assert await self.chunks.add(NewChunk(campaign.id, CHANNEL, n, some))
        await self.orders.put(campaign.id, state)
        return campaign

    async def accepts(self, campaign: Campaign) -> list[dict[str, Any]]:
        """Return the requests to a campaign's people that LINE accepted."""
        people = set(campaign.users)
        listed = await self.control("GET", "/accepts?api=multicast&limit=10000")
        return [entry for entry in listed["items"] if people & set(entry["to"])]

    async def state(self, campaign: Campaign) -> str:
        """Return a campaign's state."""
        return str((await self.orders.of(campaign.id)).get("state"))

    async def until(self, campaign: Campaign, state: str = "finished", seconds: float = 20) -> None:
        """Wait for a campaign's state."""

        async def reached() -> bool:
            return await self.state(campaign) == state

        await eventually(reached, seconds)

    async def tally(self, campaign: Campaign) -> Tally:
        """Return a campaign's counts."""
        return await self.chunks.counts(campaign.id)

    async def relay(self) -> None:
        """Publish what processes left over."""
        sender = cast(Producer, self.broker)
        outbox = Outbox(self.database[CHUNKS], sender, None, OutboxMetrics(CollectorRegistry()), self.clock)
        await outbox.relay_once(timedelta(seconds=-1))

    async def assert_sent_once(self, campaign: Campaign) -> None:
        """Every frozen recipient is in exactly one accepted request, and the ledger and the facts say so."""
        accepts = await self.accepts(campaign)
        assert Counter(user for entry in accepts for user in entry["to"]) == Counter(campaign.users)
        fates = await self.chunks.recipients(campaign.id, None, len(campaign.users) + 1)
        assert [fate.contact for fate in fates] == campaign.contacts
        request = {user: entry["request_id"] for entry in accepts for user in entry["to"]}
        for fate in fates:
            assert (fate.outcome, fate.request_id) == ("accepted", request[fate.contact.partition(":")[2]])
        await self.relay()
        facts = list(self.broker.facts(campaign.id).values())
        told = [fact for fact in facts if fact["type"] == "chunk_accepted"]
        assert sorted(fact["chunk"] for fact in told) == list(range(campaign.chunks))
        assert sum(fact["recipients"] for fact in told) == len(campaign.users)
        sent = [fact for fact in facts if fact["type"] == "message_sent"]
        assert sorted(fact["request_id"] for fact in sent) == sorted(entry["request_id"] for entry in accepts)
        assert len(facts) == 2 * campaign.chunks
        assert await self.state(campaign) == "finished"

    @contextlib.asynccontextmanager
    async def process(self, life: Life | None = None, **options: Any) -> AsyncIterator[Senders]:
        """Run a process that sends; leaving ends it in order, or as it stands where it has died."""
        life = life or Life()
        database = cast(Database, MortalDatabase(self.database, life))
        sender = cast(Producer, Mortal(self.broker, life, ["send_all"]))
        outbox = Outbox(database[CHUNKS], sender, None, OutboxMetrics(CollectorRegistry()), self.clock)
        queue = ChunkQueue(database)
        registry = CollectorRegistry()
        settings = LineSettings(line_api_url=self.url, line_data_url=self.url)
        channels = load_channels(self.channels_file)
        async with LineClient(settings, channels, CollectorRegistry(), now=self.clock) as line:
            tools = Tools(
                queue,
                StoredOrders(database),
                cast(Any, Mortal(line.sending, life, ["send"])),
                Ends(queue, outbox, linger=0.005),
                SendingMetrics(registry),
                replace(OPTIONS, **options),
                self.clock,
            )
            senders = Senders(database, channels, tools, Chunks(database), FriendsOnly(database))
            async with _family(life, senders):
                yield senders


@contextlib.asynccontextmanager
async def _family(life: Life, senders: Senders) -> AsyncIterator[None]:
    """Run senders in a task whose descendants all end at once where the process dies."""
    families = _families()
    stop = asyncio.Event()

    async def serve() -> None:
        families[cast(Any, asyncio.current_task())] = life
        async with senders.running():
            await stop.wait()

    serving = asyncio.create_task(serve())
    try:
        yield
    finally:
        stop.set()
        died = asyncio.create_task(life.over.wait())
        await asyncio.wait([serving, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        while kin := [task for task, whose in list(families.items()) if whose is life and not task.done()]:
            for task in kin:
                task.cancel()
            await asyncio.gather(*kin, return_exceptions=True)
        if not life.over.is_set():
            serving.result()


def _families() -> WeakKeyDictionary[asyncio.Task[Any], Life]:
    """Return whose each task of this loop is: a task belongs to the process of the task that made it."""
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    if factory is not None:
        return cast(Any, factory).families  # type: ignore[no-any-return]
    families: WeakKeyDictionary[asyncio.Task[Any], Life] = WeakKeyDictionary()

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **more)
        parent = asyncio.current_task(loop)
        if parent is not None and parent in families:
            families[task] = families[parent]
        return task

    cast(Any, make).families = families
    loop.set_task_factory(cast(Any, make))
    return families


@contextlib.asynccontextmanager
async def rig_on(database: Database, folder: Path) -> AsyncIterator[Rig]:
    """Make a rig on an empty database."""
    await ensure_indexes(database, INDEXES)
    file = folder / "channels.yaml"
    file.write_text(CHANNELS, encoding="utf-8")
    settings = SimulatorSettings(channels_file=file, port=0, rate_limits=0, log_level="WARNING")
    async with running(settings) as (url, _), aiohttp.ClientSession() as http:
        yield Rig(database, url, file, http)
