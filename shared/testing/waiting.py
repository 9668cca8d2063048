"""Waiting for a condition, instead of sleeping for luck."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(condition: Callable[[], Any | Awaitable[Any]], seconds: float = 30.0, every: float = 0.02) -> Any:
    """Return the condition's first true value, asked again and again.

    Raises:
        AssertionError: it was not true in time; the text shows the condition.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            source = inspect.getsource(condition).strip() if inspect.isfunction(condition) else repr(condition)
            raise AssertionError(f"not true within {seconds:g} s: {source}")
        await asyncio.sleep(every)
