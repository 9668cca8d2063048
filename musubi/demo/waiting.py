"""Waiting for a condition with a bound: the one way the story waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

BACK_SECONDS = 60.0
"""How long a killed process may take to be ready again."""


async def until(condition: Callable[[], Awaitable[T]], seconds: float, every: float = 0.2) -> T:
    """Return the condition's first true value, or its last false one when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value or time.monotonic() > deadline:
            return value
        await asyncio.sleep(every)
