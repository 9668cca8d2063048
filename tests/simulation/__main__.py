"""`python -m tests.simulation`: plays many seeds, then finds the planted bugs; with `--seed N` replays one, with its
trace. Status 1 where something was lost or came twice, or a planted bug was not found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.simulation.many import Tally, find, play_many
from tests.simulation.plants import PLANTS
from tests.simulation.run import play, staged

MOST_FOR_A_PLANT = 2000
SHOWN = 60


def main(given: Sequence[str]) -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one and print what happened")
    parser.add_argument("--whole", action="store_true", help="with --seed: the whole trace, not only its end")
    asked = parser.parse_args(given)
    if asked.seed is not None:
        return replay(asked.seed, whole=asked.whole)
    tally = Tally()
    for tally in play_many(asked.first, asked.seeds):
        if tally.schedules % 5000 < 250:
            say(f"{tally.schedules} schedules, {len(tally.failures)} failed, {tally.schedules / tally.seconds:.0f}/s")
    found = report(tally)
    return 0 if found and not tally.failures else 1


def replay(seed: int, *, whole: bool) -> int:
    """Play one seed and print its trace."""
    with staged() as stage:
        result = play(stage, seed)
    trace = result.world.trace
    for at, *facts in trace if whole else trace[-SHOWN:]:
        say(f"{at:9.3f}  " + " ".join(str(fact) for fact in facts if fact is not None))
    say(f"seed {seed}: {result.seconds:.1f} virtual seconds, trace {result.world.digest()[:16]}")
    for violation in result.violations:
        say(f"  {violation}")
    return 1 if result.violations else 0


def report(tally: Tally) -> bool:
    """Print what many schedules came to, and whether the planted bugs are found."""
    say(f"\n{tally.schedules} schedules, {tally.virtual_seconds / 3600:.1f} virtual hours, in {tally.seconds:.1f} s:")
    say(f"{tally.schedules / tally.seconds:.0f} schedules/s, {len(tally.failures)} failed\n")
    for name, count in sorted(tally.counts.items()):
        say(f"  {count:>9}  {name}")
    for seed, violations in tally.failures[:10]:
        say(f"\nseed {seed}: {'; '.join(violations)}\n  python -m tests.simulation --seed {seed}")
    say("\nplanted bugs:")
    good = True
    for name in PLANTS:
        found = find(name, MOST_FOR_A_PLANT)
        good = good and found is not None
        say(f"  {name}: " + (f"found by schedule {found[0]}: {found[1][0]}" if found else "NOT FOUND"))
    return good


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
