"""`python -m deploy.local servers up|down --dir DIR`: Kafka and a MongoDB-protocol server alone, on free ports.

`up` prints KAFKA_URL and MONGO_URL as shell assignments and writes them to DIR/stack.json; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import Home
from deploy.local.progress import Progress, people_console
from deploy.local.stack import Stack


def main() -> int:
    """Do what the arguments say; 1 where the servers cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("what", choices=["servers"])
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--dir", type=Path, required=True, help="folder for data, logs and addresses")
    arguments = parser.parse_args()
    progress = Progress(people_console(stderr=True))
    stack = Stack(Home(arguments.dir.resolve()), progress, anywhere=True)
    try:
        if arguments.action == "down":
            stack.down()
            return 0
        with progress.running():
            layout = stack.servers_up()
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"KAFKA_URL={layout.kafka_url}\nMONGO_URL={layout.mongo_url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
