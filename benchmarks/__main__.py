"""`python -m benchmarks`: run the benchmarks, write the results, print the table."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.bench import Bench
from benchmarks.catalogue import BY_ID, UnknownBenchmark, chosen
from benchmarks.chart import draw
from benchmarks.cores import Cores, pinned
from benchmarks.goals import Benchmark
from benchmarks.measure import CannotRun
from benchmarks.results import FOLDER, Entry, entry, read, save
from benchmarks.store import store_name
from benchmarks.table import print_table
from deploy.local.errors import StackError
from deploy.local.servers import running_servers
from deploy.topics.job import apply_topics
from shared.clock import utcnow

ROUNDS, SECONDS = 5, 3.0
FILE_WIDTH = 150
"""Columns of the table where it goes to a file or a pipe."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Musubi against yardsticks, side by side."
    )
    parser.add_argument("--only", metavar="D1,D9", help="these benchmarks alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often contenders take turns ({ROUNDS})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long each works in a round ({SECONDS:g})")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="FOLDER", help="where results are written")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds <= 0:
        parser.error("--rounds and --seconds must be more than nothing")
    return arguments


def main() -> int:
    """Return the exit status: 0 all ran, 1 some could not, 2 wrong arguments. A figure below its goal is no error."""
    arguments, console = _arguments(), Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
    try:
        benchmarks, cores = chosen(arguments.only), Cores.choose()
    except (UnknownBenchmark, CannotRun) as error:
        console.print(str(error), style="red")
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="musubi-bench-") as folder, pinned(cores.others):
            console.print("Starting Kafka and the store …")
            with running_servers(Path(folder)) as servers:
                asyncio.run(apply_topics(servers.kafka_url))
                store = store_name(servers.mongo_url, ours=servers.mongo is not None)
                urls = (servers.kafka_url, servers.mongo_url)
                scans = servers.mongo is not None
                bench = Bench(
                    *urls, store, scans, cores, Path(folder), servers.kafka, arguments.rounds, arguments.seconds
                )
                return _run(console, benchmarks, bench, arguments.results)
    except StackError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; what was measured before is written.")
        return 1


def _run(console: Console, benchmarks: Sequence[Benchmark], bench: Bench, results: Path) -> int:
    today = utcnow().date().isoformat()
    failed = False
    found: dict[str, Entry] = {}
    path = results / f"{today}.json"
    for number, benchmark in enumerate(benchmarks, 1):
        goal, started = benchmark.goal, time.monotonic()
        console.print(f"[{number}/{len(benchmarks)}] {goal.id}: {goal.title} …", markup=False, highlight=False)
        try:
            found[goal.id] = entry(goal, benchmark.run(bench), bench, utcnow())
        except Exception as error:  # noqa: BLE001 - whatever stops one must not stop the others
            failed = True
            known = isinstance(error, CannotRun | StackError)
            reason = str(error) if known else f"{error.__class__.__name__}: {error}"
            console.print(f"  {goal.id} cannot run: {reason}", style="red", markup=False)
            continue
        path = save(results, today, {goal.id: found[goal.id]})
        value, verdict = found[goal.id]["value"], found[goal.id]["verdict"]
        console.print(f"  {value:.3g} {goal.unit}, {verdict}, in {time.monotonic() - started:.0f} s", highlight=False)
    print_table(console, found)
    if path.is_file():
        chart = path.with_suffix(".svg")
        measured = read(path)
        ordered = {name: measured[name] for name in BY_ID if name in measured}
        chart.write_text(draw(ordered, today), encoding="utf-8")
        console.print(f"Written: {path} and {chart.name}", soft_wrap=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
