"""What a person sees while the stack comes up: a moving line in a terminal, plain lines in a log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

SAME_STEP_SECONDS = 10.0
NO_TERMINAL_WIDTH = 180


def people_console(stderr: bool = False) -> Console:
    """Return a console for people: as wide as the terminal, wide enough for a table where there is none."""
    console = Console(highlight=False, soft_wrap=True, stderr=stderr)
    if not console.is_terminal:
        console.width = NO_TERMINAL_WIDTH
    return console


class Progress:
    """Tells steps as they go on (`step`) and facts that stay on the screen (`done`)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or people_console()
        self._moving = self.console.is_terminal and os.environ.get("CI") != "true"
        self._status: Status | None = None
        self._last = ("", 0.0)

    @contextmanager
    def running(self) -> Iterator[Progress]:
        """Show steps inside the block."""
        if not self._moving:
            yield self
            return
        with self.console.status("starting") as self._status:
            yield self
        self._status = None

    def step(self, text: str) -> None:
        """Say what is going on; in a log the same step (up to its colon) is repeated only every ten seconds."""
        if self._status is not None:
            self._status.update(text)
            return
        subject, said = self._last
        if text.split(":")[0] != subject or time.monotonic() - said > SAME_STEP_SECONDS:
            self.console.print(f"  {text}", markup=False)
            self._last = (text.split(":")[0], time.monotonic())

    def done(self, text: str) -> None:
        """Say what is now so."""
        self.console.print(f"✓ {text}", markup=False)

    def note(self, text: str) -> None:
        """Say what a person should know."""
        self.console.print(f"! {text}", markup=False)
