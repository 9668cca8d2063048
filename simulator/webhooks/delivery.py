"""Signed webhooks on their way to the accounts' endpoints, again and again until one answers 2xx."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import random
from collections import Counter
from typing import Any

import aiohttp
import orjson

from simulator.webhooks.events import Event
from simulator.world.account import Account
from simulator.world.world import World

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2.0
"""LINE: no answer within 2 seconds is a `request_timeout`."""
MOST_PENDING = 200_000
SHUFFLE_QUIET_SECONDS = 0.2
DEFAULT_SCHEDULE = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
"""Seconds before each redelivery. LINE does not disclose its own."""


def sign(secret: str, body: bytes) -> str:
    """Return `x-line-signature`: base64 of HMAC-SHA256 over the raw body, keyed by the channel secret."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


class Delivery:
    """One webhook body and what is special about it."""

    __slots__ = ("account", "attempts", "destination", "events", "raw", "redeliver", "signature")

    def __init__(
        self,
        account: Account,
        events: list[Event],
        *,
        destination: str | None = None,
        signature: str | None = None,
        raw: bytes | None = None,
        redeliver: bool = True,
    ) -> None:
        self.account = account
        self.events = events
        self.destination = destination or account.destination
        self.signature = signature
        self.raw = raw
        self.redeliver = redeliver
        self.attempts = 0

    def body(self) -> bytes:
        """Return the bytes to send; from the second attempt on every event says that it is redelivered."""
        if self.raw is not None:
            return self.raw
        if self.attempts:
            for event in self.events:
                event.setdefault("deliveryContext", {})["isRedelivery"] = True
        return orjson.dumps({"destination": self.destination, "events": self.events})


class Dispatcher:
    """Sends webhooks with bounded concurrency. Order is not kept, as LINE does not keep it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.schedule: tuple[float, ...] = DEFAULT_SCHEDULE
        self.redelivery = world.settings.redelivery
        self._room = asyncio.Semaphore(MOST_PENDING)
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held: list[Delivery] = []
        self._flush: asyncio.TimerHandle | None = None
        self._timers: dict[asyncio.TimerHandle, Delivery] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._submitted = 0
        self._in_flight = 0
        self._settled = asyncio.Event()
        self._random = random.Random(1)
        self.clear_counts()

    def clear_counts(self) -> None:
        """Start the statistics again."""
        self.counts: Counter[str] = Counter()
        self.by_status: Counter[str] = Counter()

    async def start(self) -> None:
        """Open the session and start the workers."""
        number = self._world.settings.webhook_concurrency
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=number, keepalive_timeout=30)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._workers = [asyncio.create_task(self._work()) for _ in range(number)]

    async def stop(self) -> None:
        """Stop sending; what was not delivered counts as abandoned."""
        self.abandon_all()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def pending(self) -> int:
        """Webhooks not yet answered with 2xx and not given up: waiting, under way, or due for redelivery."""
        return self._queue.qsize() + self._in_flight + len(self._timers) + len(self._held)

    async def submit(self, delivery: Delivery) -> None:
        """Take a webhook in; waits where too many are pending. An account that switched webhooks off gets none."""
        if not delivery.account.webhook_active:
            self.counts["switched_off"] += 1
            return
        await self._room.acquire()
        self.counts["events"] += len(delivery.events)
        self.counts["webhooks"] += 1
        self._submitted += 1
        trouble = self._world.faults.webhooks
        self._enqueue(delivery)
        if trouble.duplicate_every and self._submitted % trouble.duplicate_every == 0:
            await self._room.acquire()
            self.counts["duplicated"] += 1
            self._enqueue(self._copy(delivery))

    def _copy(self, delivery: Delivery) -> Delivery:
        events = orjson.loads(orjson.dumps(delivery.events))
        return Delivery(
            delivery.account,
            events,
            destination=delivery.destination,
            signature=delivery.signature,
            raw=delivery.raw,
            redeliver=delivery.redeliver,
        )

    def _enqueue(self, delivery: Delivery) -> None:
        trouble = self._world.faults.webhooks
        if trouble.delay_ms:
            self._later(trouble.delay_ms / 1000, delivery)
        elif trouble.shuffle_window > 1:
            self._hold(delivery, trouble.shuffle_window)
        else:
            self._queue.put_nowait(delivery)

    def _hold(self, delivery: Delivery, window: int) -> None:
        self._held.append(delivery)
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        if len(self._held) >= window:
            self._release()
        else:
            self._flush = asyncio.get_running_loop().call_later(SHUFFLE_QUIET_SECONDS, self._release)

    def _release(self) -> None:
        held, self._held = self._held, []
        self._random.shuffle(held)
        for delivery in held:
            self._queue.put_nowait(delivery)

    def _later(self, seconds: float, delivery: Delivery) -> None:
        def due() -> None:
            self._timers.pop(handle, None)
            self._queue.put_nowait(delivery)

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self._timers[handle] = delivery

    async def _work(self) -> None:
        while True:
            delivery = await self._queue.get()
            self._in_flight += 1
            try:
                status = await self._send(delivery)
                self._settle(delivery, status)
            finally:
                self._in_flight -= 1
                self._settled.set()

    def _settle(self, delivery: Delivery, status: str) -> None:
        self.by_status[status] += 1
        delivery.attempts += 1
        if status.startswith("2"):
            self.counts["ok"] += 1
            self._room.release()
            return
        self.counts["failed"] += 1
        if self.redelivery and delivery.redeliver and delivery.attempts <= len(self.schedule):
            self.counts["redelivered"] += 1
            self._later(self.schedule[delivery.attempts - 1], delivery)
            return
        self._abandon()

    def _abandon(self) -> None:
        self.counts["abandoned"] += 1
        self._room.release()
        self._settled.set()

    def abandon_all(self) -> None:
        """Give up what is waiting or due for redelivery; what is under way ends by itself."""
        for timer in list(self._timers):
            timer.cancel()
            self._abandon()
        self._timers.clear()
        for _ in range(len(self._held)):
            self._abandon()
        self._held.clear()
        while not self._queue.empty():
            self._queue.get_nowait()
            self._abandon()

    async def _send(self, delivery: Delivery) -> str:
        for event in delivery.events:
            if token := event.get("replyToken"):
                self._world.reply_tokens.sent(token)
        self.counts["sent"] += 1
        return (await self.post(delivery.account, delivery.body(), delivery.signature))[0]

    async def post(
        self, account: Account, body: bytes, signature: str | None = None, endpoint: str | None = None
    ) -> tuple[str, str]:
        """Send one signed body; returns the status code, or `request_timeout` or `could_not_connect`, and a detail."""
        if self._session is None:
            raise RuntimeError("the dispatcher was not started")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "LineBotWebhook/2.0",
            "x-line-signature": sign(account.secret, body) if signature is None else signature,
        }
        try:
            async with self._session.post(endpoint or account.webhook_endpoint, data=body, headers=headers) as answer:
                await answer.read()
                return str(answer.status), ""
        except TimeoutError:
            return "request_timeout", "no answer within 2 seconds"
        except aiohttp.ClientError as error:
            log.debug("webhook not delivered", extra={"channel": account.slug, "error": type(error).__name__})
            return "could_not_connect", type(error).__name__

    async def quiet(self, seconds: float) -> None:
        """Wait until nothing is pending, at most that long."""
        if self.pending:
            try:
                async with asyncio.timeout(seconds):
                    await self._idle()
            except TimeoutError:
                log.debug("webhooks still pending")

    async def _idle(self) -> None:
        while self.pending:
            self._settled.clear()
            await self._settled.wait()

    def statistics(self) -> dict[str, Any]:
        """Return what happened to webhooks so far."""
        names = ("webhooks", "events", "sent", "ok", "failed", "redelivered", "duplicated", "abandoned", "switched_off")
        shown: dict[str, Any] = {name: self.counts[name] for name in names}
        shown["pending"] = self.pending
        shown["waiting_for_redelivery"] = len(self._timers)
        shown["by_status"] = dict(self.by_status)
        return shown
