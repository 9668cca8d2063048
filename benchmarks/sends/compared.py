"""Broadcast's sender, alone or by turns with the SDK's loop, against a LINE that answers after 50 ms: D4, D5, G5."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil

from benchmarks.bench import Bench
from benchmarks.measure import Compare, Outcome, Sample, side_by_side
from benchmarks.processes import run_round, serving
from benchmarks.sends.crowd import crowd, freeze
from benchmarks.sends.musubi import WAIT_SECONDS, Round
from benchmarks.sends.place import Place
from shared.ids import ulid
from shared.line.prepared import MOST_RECIPIENTS
from shared.mongo import connect

LATENCY_MS = 50
FRIENDS, FEW_FRIENDS = 100_000, 5_000
"""Of the account, where the store has real indexes and where it has none."""
PEOPLE = 100_000
"""Of a campaign; friends are in it several times where there are fewer of them."""
WARM_PEOPLE = 10_000


@dataclass(frozen=True)
class Target:
    """An account with its friends, and who answers for LINE."""

    place: Place
    friends: int


@contextmanager
def sending_to(bench: Bench) -> Iterator[Target]:
    """Have friends in the store and a stand-in for LINE for the length of the block."""
    environment = {"LATENCY_MS": str(LATENCY_MS)}
    with (
        serving("benchmarks.sends.line", bench.cores.others, bench.folder, environment, listens=True) as line,
        crowd(bench.mongo_url, bench.folder, FEW_FRIENDS if bench.scans else FRIENDS) as friends,
    ):
        yield Target(friends.place(bench.kafka_url, f"http://127.0.0.1:{line.port}"), friends.friends)


def sends_compared(
    bench: Bench,
    compare: Compare,
    *,
    concurrency: int,
    chunks_a_second: float,
    per_second: float | None = None,
    in_flight: int | None = None,
) -> Outcome:
    """Measure campaigns to 100,000 people against the SDK's loop.

    Args:
        compare: what is compared.
        concurrency: calls of the SDK's loop at once.
        chunks_a_second: how many of ours to expect, for as many campaigns as fill a round.
        per_second, in_flight: how broadcast sends; None for its own settings.
    """
    campaigns = [PEOPLE] * ceil(bench.seconds * chunks_a_second * MOST_RECIPIENTS / PEOPLE)
    with sending_to(bench) as target:
        sdk = {"line_url": target.place.line_url, "concurrency": concurrency, "seconds": bench.seconds}
        outcome = side_by_side(
            bench.rounds,
            ("broadcast", partial(send_round, bench, target, campaigns, per_second=per_second, in_flight=in_flight)),
            (f"sdk, {concurrency} at once", partial(_theirs, bench, sdk)),
            compare,
            item="recipient",
        )
    return replace(outcome, notes={**outcome.notes, "store": bench.store, "latency_ms": LATENCY_MS})


def send_round(
    bench: Bench, target: Target, campaigns: Sequence[int], *, per_second: float | None, in_flight: int | None
) -> Sample:
    """Freeze campaigns of so many people and a small one before them for warming, then send them in a new process.

    Where there are more people in a campaign than friends, they are in it several times.
    """
    names = asyncio.run(_frozen(target, [WARM_PEOPLE, *campaigns]))
    told = Round(target.place, names, sum(campaigns), per_second, in_flight)
    return run_round("benchmarks.sends.musubi", bench.cores.subject, WAIT_SECONDS, asdict(told))


async def _frozen(target: Target, campaigns: Sequence[int]) -> Sequence[str]:
    client = connect(target.place.mongo_url)
    names = [f"c{ulid()}" for _ in campaigns]
    for name, people in zip(names, campaigns, strict=True):
        await freeze(client[target.place.database], name, MOST_RECIPIENTS, people, target.friends)
    client.close()
    return names


def _theirs(bench: Bench, told: dict[str, object]) -> Sample:
    return run_round("benchmarks.sends.sdk", bench.cores.subject, bench.seconds, told)
