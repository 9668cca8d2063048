"""What the chassis logs and counts costs more than all the rest of a schedule: here it goes nowhere, errors aside."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.run import Stage

EXPECTED = frozenset({"dead letter", "LINE refused an answer", "too many bad records: the consumer is stopped"})


class Silence:
    """A metric, a family of them, or settings: whatever is asked of it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self


class Listener:
    """A logger that hears nothing but what should never be said."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def error(self, text: str, *_: Any, **__: Any) -> None:
        """Note an error that no trouble explains."""
        if text not in EXPECTED:
            self._stage.world.fail("error logged", text, repr(sys.exception()))

    exception = error

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Nothing is."""
        return False

    def log(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    debug = info = warning = log
