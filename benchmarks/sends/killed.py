"""A campaign sent by one of several replicas, which is killed in the middle of it: what LINE saw."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from urllib.request import urlopen

from benchmarks.bench import Bench
from benchmarks.cores import cpu_seconds, pinned
from benchmarks.measure import CannotRun, Sample
from benchmarks.sends.crowd import Crowd, freeze
from benchmarks.sends.place import Place
from benchmarks.sends.replica import LEADS
from deploy.local.paths import CHECKOUT
from services.broadcast.sending.calls import SendingOptions
from shared.ids import ulid
from shared.mongo import connect

PEOPLE = 20
"""Of a chunk: it is the pace that is measured."""
CHUNKS = 2400
KNOWN = 5000
"""Friends, each in several chunks."""
WARM_CHUNKS = 200
LOOK_SECONDS = 0.1
QUIET_SECONDS = 1.0
WAIT_SECONDS = 60.0


class _Replica:
    """A process that sends where it leads."""

    def __init__(self, bench: Bench, place: Place, campaign: str, number: int) -> None:
        self._log = bench.folder / f"replica-{campaign}-{number}.log"
        told = json.dumps({"place": asdict(place), "campaigns": [campaign]})
        command = [sys.executable, "-m", "benchmarks.sends.replica", told]
        with pinned(bench.cores.subject), self._log.open("ab") as output:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT)

    @property
    def leads(self) -> bool:
        """Whether it is the one that sends."""
        return self.process.poll() is None and LEADS in self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()


def send_killed(bench: Bench, crowd: Crowd, line_url: str, replicas: int) -> Sample:
    """Send a campaign, killing the replica that sends when half of it is out.

    Returns:
        Chunks and seconds while a replica was sending, the CPU of the first of them; notes: `whole_rate` with the time
        in which none was sending, `gap_seconds` that time, `refused` answers 429, `duplicates` answers 409.

    Raises:
        CannotRun: nobody sent, or nobody went on.
    """
    place, campaign = crowd.place(bench.kafka_url, line_url), f"c{ulid()}"
    asyncio.run(_freeze(place, campaign))
    _tally(line_url, "reset")
    with _running(bench, place, campaign, replicas) as running:
        _until(lambda: _tally(line_url)["accepted"] >= WARM_CHUNKS, "no replica sends")
        leader = next(replica for replica in running if replica.leads)
        cpu, sent = cpu_seconds(leader.process.pid), _tally(line_url)["accepted"]
        _until(lambda: _tally(line_url)["accepted"] >= CHUNKS / 2, "the campaign does not get on")
        cpu, sent = cpu_seconds(leader.process.pid) - cpu, _tally(line_url)["accepted"] - sent
        leader.kill()
        _until(lambda: _sent(line_url), "nobody went on with the campaign")
        tally = _tally(line_url)
    alive = tally["seconds"] - tally["longest_gap"]
    chunks = tally["accepted"] - 2  # intervals between calls, the gap's not among them
    notes = {
        "whole_rate": (tally["accepted"] - 1) / tally["seconds"],
        "gap_seconds": tally["longest_gap"],
        "replicas": float(replicas),
        "refused": tally["refused"],
        "duplicates": tally["duplicates"],
    }
    return Sample(int(chunks), alive, cpu / sent * chunks, notes)


async def _freeze(place: Place, campaign: str) -> None:
    client = connect(place.mongo_url)
    await freeze(client[place.database], campaign, PEOPLE, CHUNKS * PEOPLE, KNOWN)
    client.close()


@contextmanager
def _running(bench: Bench, place: Place, campaign: str, count: int) -> Iterator[Sequence[_Replica]]:
    running = [_Replica(bench, place, campaign, number) for number in range(count)]
    try:
        yield running
    finally:
        for replica in running:
            replica.kill()


def _sent(line_url: str) -> bool:
    """Whether all is out but what the dead one had in hand, which is due again only after its claim."""
    before = _tally(line_url)["accepted"]
    if before < CHUNKS - SendingOptions().in_flight:
        return False
    time.sleep(QUIET_SECONDS)
    return _tally(line_url)["accepted"] == before


def _tally(line_url: str, what: str = "tally") -> Mapping[str, float]:
    with urlopen(f"{line_url}/{what}", timeout=5) as answer:
        found: Mapping[str, float] = json.load(answer)
    return found


def _until(true: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while not true():
        if time.monotonic() > ends:
            raise CannotRun(otherwise)
        time.sleep(LOOK_SECONDS)
