"""One of several replicas of broadcast's sender: whoever leads the account sends, until it is ended from outside.

It prints LEADS when it has begun to send: only who leads asks for a campaign's content.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

import uvloop

from benchmarks.sends.place import Place
from benchmarks.sends.wired import Running, sending
from services.broadcast.sending.calls import SendingOptions
from services.broadcast.sending.orders import Content
from shared.logs import configure_logging

LEADS = "this replica leads"


class _Replicated(Running):
    async def content(self, campaign: str) -> Content:
        print(LEADS, flush=True)
        return await super().content(campaign)


async def send(place: Place, campaigns: Sequence[str]) -> None:
    """Send with the service's own settings."""
    running = _Replicated()
    running.begin(campaigns)
    async with sending(place, running, SendingOptions()):
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logging("broadcast", "INFO")
    told = json.loads(sys.argv[1])
    uvloop.run(send(Place(**told["place"]), told["campaigns"]))
