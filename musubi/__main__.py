"""`python -m musubi`."""

from __future__ import annotations

import sys

from deploy.local.errors import StackError
from musubi.app import app


def main() -> None:
    """Run the command line; a problem of the stack is told in words and ends with status 1."""
    try:
        app()
    except StackError as error:
        sys.stderr.write(f"\n✗ {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
