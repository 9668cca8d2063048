"""Seeded traffic: signed webhooks straight to ingest, redelivered as LINE does until they are answered 200."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from shared.clock import to_millis, utcnow
from shared.testing.spine import Spine
from shared.testing.waiting import eventually
from shared.testing.webhooks import signed_headers
from tests.faults.ledger import Kind, Ledger, Sent

COFFEE, REPAIR = "musubi-coffee", "musubi-repair"
WORD = "fault harness word"
"""The keyword that `stage.prepare` gives to every account."""
ANSWER_SECONDS = 2.0
"""LINE gives up on an answer after this."""
IN_FLIGHT = 32
ADOPT_MOST = 200
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Shape:
    """What traffic looks like.

    `per_second` None is a burst. `hot` is the share of messages that one contact sends, `each` the events of a body,
    `repeated` the share of bodies that is delivered twice at once, to two processes, `given_up` the share that is
    never redelivered. `patience` is for how many seconds the others are.
    """

    events: int = 300
    per_second: float | None = None
    follows: float = 0.4
    words: float = 0.2
    hot: float = 0.0
    talkers: int = 20
    channels: tuple[str, ...] = (COFFEE, REPAIR)
    each: int = 1
    repeated: float = 0.1
    given_up: float = 0.0
    patience: float = 60.0


@dataclass
class Body:
    """One webhook: when it is due, in seconds from the start, and what it carries."""

    at: float
    channel: str
    sent: list[Sent]
    copies: int = 1
    redelivered: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)


def made_id(*parts: object, length: int = 26) -> str:
    """Return an id that the same parts always give, of the letters of LINE's event ids."""
    number = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest())
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[digit])
    return "".join(letters)


def made_number(*parts: object) -> str:
    """Return a number in decimals, as LINE's message ids are, that the same parts always give."""
    return str(int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()) % 10**17)


def lay_out(shape: Shape, name: str, users: Sequence[str], chance: random.Random) -> list[Body]:
    """Decide every body of a run: the same name, people and chance give the same bodies.

    `users` are the talkers of the accounts, the hot one first, then one for each event: whoever follows is new.
    """
    bodies: list[Body] = []
    fresh = iter(users[shape.talkers :])
    for n in range(-(-shape.events // shape.each)):
        channel = chance.choice(shape.channels)
        sent = []
        for part in range(min(shape.each, shape.events - n * shape.each)):
            kind = _kind(shape, chance)
            hot = chance.random() < shape.hot
            talker = users[0] if hot else users[chance.randrange(shape.talkers)]
            event_id = made_id(name, n, part)
            message_id = None if kind == "follow" else made_number("message", event_id)
            sent.append(Sent(event_id, kind, channel, next(fresh) if kind == "follow" else talker, message_id))
        at = 0.0 if shape.per_second is None else n * shape.each / shape.per_second
        copies = 2 if chance.random() < shape.repeated else 1
        bodies.append(Body(at, channel, sent, copies, chance.random() >= shape.given_up))
    return bodies


def _kind(shape: Shape, chance: random.Random) -> Kind:
    draw = chance.random()
    if draw < shape.follows:
        return "follow"
    return "word" if draw < shape.follows + shape.words else "text"


def event_of(sent: Sent) -> dict[str, Any]:
    """Return the webhook event as LINE builds it, of now."""
    event: dict[str, Any] = {"type": "follow" if sent.kind == "follow" else "message"}
    if sent.kind == "follow":
        event["follow"] = {"isUnblocked": False}
    else:
        text = WORD if sent.kind == "word" else "hello"
        event["message"] = {"type": "text", "id": sent.message_id, "quoteToken": "q", "text": text}
    return event | {
        "webhookEventId": sent.id,
        "deliveryContext": {"isRedelivery": False},
        "timestamp": to_millis(utcnow()),
        "source": {"type": "user", "userId": sent.user},
        "replyToken": made_id("token", sent.id, length=32).lower(),
        "mode": "active",
    }


class Traffic:
    """Delivers bodies and keeps the ledger. One for each run of a scenario."""

    def __init__(self, spine: Spine, ledger: Ledger, name: str, seed: int) -> None:
        self.ledger = ledger
        self.delivered: list[tuple[str, bytes]] = []
        """Every body as it was first delivered: account and bytes."""
        self.first_to: str | None = None
        """Where first deliveries go instead of to the processes of ingest in turn."""
        self._spine = spine
        self._name = name
        self._runs = 0
        self._chance = random.Random(f"{name} {seed}")
        self._accounts = {account["slug"]: account for account in spine.accounts}
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def run(self, shape: Shape) -> None:
        """Deliver everything, each body until it is answered 200, given up or out of patience."""
        self._runs += 1
        name = f"{self._name} {self._runs}"
        made = await self._spine.tell("POST", "/users", {"count": shape.talkers + shape.events, "seed": name})
        bodies = lay_out(shape, name, made["user_ids"], self._chance)
        self.ledger.add(event for body in bodies for event in body.sent)
        started = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for group in _together(bodies):
                await asyncio.sleep(max(0.0, group[0].at - (time.monotonic() - started)))
                await self._adopt(group)
                for body in group:
                    tasks.create_task(self._deliver(session, body, shape.patience, self._chance.randrange(1 << 16)))

    @contextlib.asynccontextmanager
    async def under_way(self, shape: Shape) -> AsyncIterator[None]:
        """Deliver beside the block, which begins once something was answered; the end waits for all."""
        before = self.ledger.statuses.total()
        task = asyncio.create_task(self.run(shape))
        try:
            begun = before + min(20, shape.events // 10)
            await eventually(lambda: self.ledger.statuses.total() >= begun or task.done())
            yield
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def again(self, events: float = 1.0) -> None:
        """Deliver a share of the bodies once more, byte for byte, as somebody does who captured them."""
        picked = [each for each in self.delivered if self._chance.random() < events]
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            for n, (channel, body) in enumerate(picked):
                tasks.create_task(self._post_again(session, channel, body, n))

    async def _post_again(self, session: aiohttp.ClientSession, channel: str, body: bytes, n: int) -> None:
        async with self._slots:
            status, _ = await self._post(session, channel, body, n)
        if status != 200:
            raise AssertionError(f"a captured body was answered {status}")

    async def _adopt(self, bodies: Sequence[Body]) -> None:
        """Make the events' reply tokens good at LINE; their minute begins."""
        for body in bodies:
            body.events = [event_of(sent) for sent in body.sent]
        for channel in {body.channel for body in bodies}:
            events = [event for body in bodies if body.channel == channel for event in body.events]
            nowhere = f"{self._spine.control}/nowhere"
            await self._spine.tell("POST", f"/{channel}/events", {"events": events, "endpoint": nowhere})

    async def _deliver(self, session: aiohttp.ClientSession, body: Body, patience: float, turn: int) -> None:
        deadline = time.monotonic() + patience
        pause = 0.3
        first = self._bytes(body)
        self.delivered.append((body.channel, first))
        answered = await asyncio.gather(*(self._attempt(session, body, first, turn + n) for n in range(body.copies)))
        while 200 not in answered and body.redelivered and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause, turn = min(pause * 2, 3.0), turn + 1
            for event in body.events:
                event["deliveryContext"] = {"isRedelivery": True}
            answered = [await self._attempt(session, body, self._bytes(body), turn)]

    def _bytes(self, body: Body) -> bytes:
        return orjson.dumps({"destination": self._accounts[body.channel]["destination"], "events": body.events})

    async def _attempt(self, session: aiohttp.ClientSession, body: Body, raw: bytes, turn: int) -> int | None:
        async with self._slots:
            base = None if body.sent[0].answers else self.first_to
            status, seconds = await self._post(session, body.channel, raw, turn, base)
        self.ledger.answered(body.sent, status, seconds)
        return status

    async def _post(
        self, session: aiohttp.ClientSession, channel: str, raw: bytes, turn: int, base: str | None = None
    ) -> tuple[int | None, float]:
        replicas = len(self._spine.facts["replicas"]["ingest"])
        url = f"{base or self._spine.api('ingest', turn % replicas)}/webhook/{channel}"
        headers = signed_headers(raw, self._accounts[channel]["channel_secret"])
        started = time.monotonic()
        try:
            async with session.post(url, data=raw, headers=headers) as answer:
                await answer.read()
                return answer.status, time.monotonic() - started
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None, time.monotonic() - started


def _together(bodies: Sequence[Body]) -> list[list[Body]]:
    """Bodies that are due within a fifth of a second, at most so many: their tokens are made good by one call."""
    groups: list[list[Body]] = []
    for body in bodies:
        if groups and len(groups[-1]) < ADOPT_MOST and body.at - groups[-1][0].at < 0.2:
            groups[-1].append(body)
        else:
            groups.append([body])
    return groups
