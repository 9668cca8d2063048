"""The usual way: LINE's SDK, a loop over chunks of 500, one call after the other or so many at once; no ledger."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from typing import Any

import uvloop
from linebot.v3.messaging import AsyncApiClient, AsyncMessagingApi, Configuration, MulticastRequest, TextMessage

from benchmarks.sends.crowd import friends
from benchmarks.sends.place import HELLO
from shared.line.prepared import MOST_RECIPIENTS


async def send(line_url: str, concurrency: int, seconds: float) -> dict[str, Any]:
    """Send until time is up; returns a round's sample, its items recipients."""
    to = friends(MOST_RECIPIENTS)
    text = HELLO[0]["text"]
    sent = 0
    async with AsyncApiClient(Configuration(access_token="token", host=line_url)) as client:
        api = AsyncMessagingApi(client)

        async def call() -> None:
            request = MulticastRequest(to=to, messages=[TextMessage(text=text)])
            await api.multicast(request, x_line_retry_key=str(uuid.uuid4()))

        async def loop() -> None:
            nonlocal sent
            while time.perf_counter() - started < seconds:
                await call()
                sent += len(to)

        await call()
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(loop() for _ in range(concurrency)))
        took, used = time.perf_counter() - started, time.process_time() - cpu
    return {"items": sent, "seconds": took, "cpu_seconds": used, "notes": {"chunks": sent / len(to)}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(send(**json.loads(sys.argv[1])))) + "\n")
