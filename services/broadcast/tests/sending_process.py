"""Processes that only send, for tests that kill them: `python -m services.broadcast.tests.sending_process '{…}'`.

For each line it is told it forks a process that sends, and answers with its id: everything is imported by then, so that
it begins at once. SIGTERM ends such a process in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from prometheus_client import CollectorRegistry

from services.broadcast.sending.calls import SendingOptions, Tools
from services.broadcast.sending.chunks import Chunks
from services.broadcast.sending.documents import CHUNKS
from services.broadcast.sending.ends import Ends
from services.broadcast.sending.metrics import SendingMetrics
from services.broadcast.sending.queue import ChunkQueue
from services.broadcast.sending.reach import FriendsOnly
from services.broadcast.sending.senders import Senders
from services.broadcast.tests.sending_rig import StoredOrders
from shared.channels import load_channels
from shared.clock import utcnow
from shared.line.client import LineClient
from shared.line.transport import Patience
from shared.mongo import Collection, connect
from shared.outbox import Outbox, OutboxMetrics
from shared.producer import Producer, Record
from shared.settings import LineSettings

TOLD = "told"
OPTIONS = SendingOptions(
    per_second=10,
    in_flight=4,
    handful=2,
    lease_seconds=0.5,
    claim_seconds=0.9,
    patience=Patience(attempts=1, within=0.5, attempt=0.5, connect=0.5),
)


class StoredBroker:
    """Keeps what is published in the store, where it outlives the process."""

    def __init__(self, told: Collection) -> None:
        self._told = told

    async def send_all(self, records: Sequence[Record], timeout: float) -> None:
        """Take records."""
        keys = ((record, (record.key or b"").decode(), (record.value or b"").decode()) for record in records)
        await self._told.insert_many(
            [{"topic": record.topic, "key": key, "value": value} for record, key, value in keys]
        )


async def send(mongo_url: str, database_name: str, line_url: str, channels_file: str) -> None:
    """Send until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = connect(mongo_url)
    database = client[database_name]
    channels = load_channels(Path(channels_file))
    queue = ChunkQueue(database)
    sender = cast(Producer, StoredBroker(database[TOLD]))
    outbox = Outbox(database[CHUNKS], sender, None, OutboxMetrics(CollectorRegistry()))
    settings = LineSettings(line_api_url=line_url, line_data_url=line_url)
    async with LineClient(settings, channels, CollectorRegistry()) as line:
        metrics = SendingMetrics(CollectorRegistry())
        tools = Tools(queue, StoredOrders(database), line.sending, Ends(queue, outbox), metrics, OPTIONS, utcnow)
        senders = Senders(database, channels, tools, Chunks(database), FriendsOnly(database))
        async with senders.running():
            await stop.wait()
    client.close()


def main() -> None:
    """Fork a sender for each line read, until there are no more."""
    where = json.loads(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            asyncio.run(send(**where))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
