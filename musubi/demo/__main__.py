"""`python -m musubi.demo`: play the story on the running stack; status 1 where anything was lost or came twice."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import DEFAULT_HOME, Home
from deploy.local.programs import SERVICE_NAMES
from deploy.local.progress import Progress
from deploy.local.story import STACK_FILE
from musubi.demo.errors import StoryError
from musubi.demo.play import play
from musubi.demo.report import show
from musubi.demo.setting import Options

INTERRUPTED = 130


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="musubi demo", description="Play the story on the running stack.")
    parser.add_argument("--seed", default=Options.seed, help="the same seed makes the same story (%(default)s)")
    parser.add_argument("--friends", type=_friends, default=Options.friends, metavar="N", help="(%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report as data")
    killing = parser.add_mutually_exclusive_group()
    killing.add_argument("--kill", choices=SERVICE_NAMES, default=Options.kill, help="of which service (%(default)s)")
    killing.add_argument("--no-kill", dest="kill", action="store_const", const=None, help="no process joins or dies")
    return parser.parse_args(arguments)


def _friends(text: str) -> int:
    if not text.isdigit() or not 20 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("from 20 to 100000 friends")
    return int(text)


def main(arguments: list[str]) -> int:
    """Play and report; 1 where the story is not clean or could not be played."""
    asked = read_arguments(arguments)
    stack_file = Path(os.environ.get(STACK_FILE) or Home(DEFAULT_HOME).stack_file)
    progress = Progress()
    try:
        with progress.running():
            report = asyncio.run(play(Options(asked.seed, asked.friends, asked.kill), stack_file, progress))
    except (StoryError, StackError) as error:
        sys.stderr.write(f"\n✗ the story was not played to its end: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\n✗ the story was interrupted; the stack is as it was, with the story's people in it\n")
        return INTERRUPTED
    show(report, progress.console)
    if asked.json is not None:
        asked.json.write_text(report.as_json(), encoding="utf-8")
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
