"""D6: the pace of a campaign ÷ LINE's 200 calls a second, with two and three replicas, the sending one killed midway.

LINE's stand-in refuses what is above 200 a second by a bucket of 20; a 429 would halve the pace. The figure is the pace
from the first call LINE accepted to the last, without the pause after the kill: it says whether two senders together
come near the limit and keep below it, and does not depend on how long one chose to send. The pause is the lease of the
dead one: it lasts as long in a campaign of ten seconds as in one of an hour, so it is told beside, in seconds, and so
is the pace of the whole run with it.
"""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.goals import Benchmark, Goal
from benchmarks.measure import Contender, Outcome
from benchmarks.processes import serving
from benchmarks.sends.crowd import crowd
from benchmarks.sends.killed import KNOWN, send_killed

LIMIT = 200
"""LINE: multicast takes 200 requests a second."""
LATENCY_MS = 50

GOAL = Goal(
    "D6",
    "pace while one sends ÷ LINE's 200 a second; 2 and 3 replicas, the sending one killed midway",
    seen="not run",
    good=0.9,
    very_good=0.98,
)


def run(bench: Bench) -> Outcome:
    """Measure it, by turns with two replicas and with three."""
    environment = {"LATENCY_MS": str(LATENCY_MS), "RATE": str(LIMIT)}
    with (
        serving("benchmarks.sends.line", bench.cores.others, bench.folder, environment, listens=True) as line,
        crowd(bench.mongo_url, bench.folder, KNOWN) as friends,
    ):
        url = f"http://127.0.0.1:{line.port}"
        samples = [send_killed(bench, friends, url, 2 + number % 2) for number in range(bench.rounds)]
    ratios = [sample.rate / LIMIT for sample in samples]
    whole = median(sample.notes["whole_rate"] for sample in samples) / LIMIT
    gap = median(sample.notes["gap_seconds"] for sample in samples)
    refused = sum(sample.notes["refused"] for sample in samples)
    remark = f"429: {refused:g}; pause {gap:.1f} s, with it {whole:.2g}"
    return Outcome(
        median(ratios),
        min(ratios),
        max(ratios),
        Contender.of("broadcast", samples),
        None,
        [{"ratio": sample.rate / LIMIT, "cpu_us": sample.cpu_us, **sample.notes} for sample in samples],
        {"item": "chunk", "store": bench.store, "latency_ms": LATENCY_MS, "refused": refused, "remark": remark},
    )


BENCHMARK = Benchmark(GOAL, run)
