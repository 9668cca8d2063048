"""The real ingest, as people run it, against a yardstick: what D1, D2, D3 and D11 have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bench import Bench
from benchmarks.load.generators import generator, saturate
from benchmarks.load.webhooks import SLUG, write_requests
from benchmarks.measure import Outcome, side_by_side
from benchmarks.processes import Served, serving
from shared.testing.webhooks import account, write_files

WARM_SECONDS = 1.0


@contextmanager
def ingest(bench: Bench) -> Iterator[Served]:
    """Run `python -m services.ingest` on the subject's core, with one account."""
    files = write_files(bench.folder, [account(SLUG)])
    environment = {"KAFKA_URL": bench.kafka_url, "LINE_API_URL": "http://127.0.0.1:1", **files.environment()}
    with serving("services.ingest", bench.cores.subject, bench.folder, environment) as server:
        yield server


def ingest_against(bench: Bench, yardstick: str, events: int) -> Outcome:
    """Measure requests a second of ingest, every event acknowledged by Kafka, ÷ those of a yardstick.

    Args:
        yardstick: a module of `benchmarks.yardsticks`.
        events: in each webhook.
    """
    cores = bench.cores
    with ingest(bench) as ours, serving(f"benchmarks.yardsticks.{yardstick}", cores.subject, bench.folder) as theirs:
        requests = {server: write_requests(bench.folder, events, server.port) for server in (ours, theirs)}
        for server, folder in requests.items():
            saturate(server, folder, min(WARM_SECONDS, bench.seconds), cores.others)
        return side_by_side(
            bench.rounds,
            ("ingest", lambda: saturate(ours, requests[ours], bench.seconds, cores.others)),
            (yardstick, lambda: saturate(theirs, requests[theirs], bench.seconds, cores.others)),
            item="request",
            load=generator(),
        )
